"""The families that ship, and those of a person's own files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from model_registry.flaw import Flaw, closest
from policies.errors import UnknownFamily
from policies.scenario.family import Family
from policies.scenario.model_catalogue import known_tiers
from policies.scenario.scenario import Split
from policies.scenario.toml_file import decode, error_of, read_text

_SHIPPED = files("policies.scenario").joinpath("families")


def family_names(split: Split | None = None) -> list[str]:
    """Return the names of the families that ship, of one split or of all, in order of the alphabet."""
    names = sorted(entry.name.removesuffix(".toml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".toml"))
    return [name for name in names if split is None or family(name).split is split]


def families_asked(asked: str) -> list[str]:
    """Return the names that a command line asks for: those of a split, or some with commas between.

    Raises:
        UnknownFamily: one of them is none.
        FileUnusable: one is the path of a file that is not of the form.

    """
    names = family_names(Split(asked)) if asked in set(Split) else [name.strip() for name in asked.split(",")]
    for name in names:
        family(name)
    return names


def family(name: str) -> Family:
    """Return a family by its name, or by the path of a TOML file of the same form.

    Raises:
        UnknownFamily: none that ships bears the name.
        FileUnusable: the file is not of the form.

    """
    return read_family(Path(name)) if name.endswith(".toml") else _shipped(name)


def read_family(path: Path) -> Family:
    """Return the family that a file describes.

    Raises:
        FileUnusable: it is not of the form; the message says where, what and what to do.

    """
    return _parsed(read_text(path), path)


@cache
def _shipped(name: str) -> Family:
    entry = _SHIPPED.joinpath(f"{name}.toml")
    if not entry.is_file():
        known = [entry.name.removesuffix(".toml") for entry in _SHIPPED.iterdir()]
        raise UnknownFamily(f"There is no family '{name}'.", hint=closest(name, known))
    return _parsed(entry.read_text(encoding="utf-8"), entry.name)


def _parsed(text: str, path: Path | str) -> Family:
    parsed = decode(text, path, Family)
    for flaw in (*parsed.flaws(), *_flaws_of_models(parsed)):
        raise error_of(flaw, text, path)
    return parsed


def _flaws_of_models(parsed: Family) -> Iterator[Flaw]:
    """Yield a flaw for each tier that no model has, and for each stream whose model no node hosts."""
    known = known_tiers()
    for index, node in enumerate(parsed.nodes):
        for hosted in node.hosts:
            if hosted not in known:
                yield Flaw(("nodes", index, "hosts"), f"'{hosted}' is no model's tier.", closest(hosted, known))
    models = {hosted.partition("/")[0] for node in parsed.nodes for hosted in node.hosts}
    for index, stream in enumerate(parsed.streams):
        if stream.model not in models:
            problem = f"no node hosts a tier of '{stream.model}'."
            yield Flaw(("streams", index, "model"), problem, closest(stream.model, models))
