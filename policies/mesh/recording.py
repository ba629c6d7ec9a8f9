"""One session with a real mesh: the calibration load, and then a load that is held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from model_registry import manifest as manifests
from policies.errors import FileUnusable
from policies.mesh.daemons import Daemons, Tell, daemons
from policies.mesh.form import Form
from policies.mesh.load import mixed_load
from policies.mesh.question import HOUSEHOLD, Heard, Question
from policies.mesh.timings import Timings, bands, judge, time_alone, time_bursts
from policies.mesh.windows import Windows, ratios, shipped_windows

Stage = Callable[[str], Tell]
"""Hears what begins, and returns who hears how far it is."""


class Recording(Struct, frozen=True, kw_only=True):
    """All that was asked and how it ended: enough to fit and to compare again without any daemon."""

    timings: Timings
    load: tuple[Question, ...]
    heard: tuple[Heard, ...]


class Wishes(Struct, frozen=True, kw_only=True):
    """How much is asked."""

    seed: int = 1
    repeats: int = 8
    """Of each pair of nodes and each length."""
    lasts_s: float = 40.0
    """Of the load that is held out."""
    n_windows: int = 300
    """That are asked about."""


async def record(form: Form, wishes: Wishes, stage: Stage, folder: Path | None = None) -> Recording:
    """Start a mesh, time it, play the load that is held out, and end it.

    Raises:
        SetupError: the daemons did not come together.
    """
    windows, is_anomaly = shipped_windows(wishes.n_windows)
    load = mixed_load(seed=wishes.seed, lasts_s=wishes.lasts_s, n_windows=len(windows))
    async with daemons(form, windows, folder) as mesh:
        timings = await timed(mesh, windows, is_anomaly, wishes, stage)
        heard = await mesh.play(load, stage("the load that is held out"))
    return Recording(timings=timings, load=load, heard=tuple(heard))


async def timed(mesh: Daemons, windows: Windows, is_anomaly: tuple[bool, ...], wishes: Wishes, stage: Stage) -> Timings:
    """Play the calibration load on a mesh that has just begun."""
    judged, cold = await judge(mesh, is_anomaly, stage("what every tier says of every window"))
    profiles = {name: await mesh.profile(name) for name in HOUSEHOLD}
    calm = judged.calm(bands(profiles))
    alone = await time_alone(
        mesh, calm, repeats=wishes.repeats, seed=wishes.seed, tell=stage("each tier alone on each node")
    )
    bursts = await time_bursts(mesh, calm, repeats=wishes.repeats, seed=wishes.seed)
    manifest = manifests.loads(await mesh.manifest(), "manifest.toml")
    alarm = manifest.tiers[0].alarm
    return Timings(
        profiles={name: await mesh.profile(name) for name in HOUSEHOLD},
        ratios=ratios(windows, manifest),
        input_bytes=windows[0].nbytes,
        alarm_at=alarm.at_least if alarm is not None else None,
        judged=judged,
        cold=cold,
        alone=tuple(alone),
        bursts=tuple(bursts),
    )


def save(recording: Recording, path: Path) -> None:
    """Write a recording as JSON."""
    path.write_bytes(msgspec.json.encode(recording))


def read(path: Path) -> Recording:
    """Return a recording that was written.

    Raises:
        FileUnusable: it cannot be read, or is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recording)
    except OSError as error:
        raise FileUnusable(path, None, f"cannot be read: {error.strerror}.", hint="Check the path.") from error
    except msgspec.DecodeError as error:
        raise FileUnusable(path, None, f"is no recording: {error}.", hint="Record anew.") from error
