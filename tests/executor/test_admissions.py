"""What is remembered of trials; the trials themselves are real processes."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from model_registry.admission.admitted import Admitted, Limits
from model_registry.errors import Refused
from model_registry.manifest import Manifest
from model_registry.tensor import Axis
from tests.executor.artifacts import MemoryStore
from tests.executor.graphs import manifest_of, mean_model

pytestmark = pytest.mark.slow

LIMITS = Limits(memory_bytes=200_000_000, wall_s=60.0, size_bytes=1_000_000)


class Reader:
    """Gives a model's bytes and counts how often they were needed: once for each trial."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.trials = 0

    def __call__(self) -> bytes:
        self.trials += 1
        return self._content


def ask(admissions: Admissions, read: Callable[[], bytes], manifest: Manifest) -> Admitted:
    tier = manifest.tiers[0]
    return admissions.admit(read, manifest, tier, tier.variants[0])


def knows(admissions: Admissions, manifest: Manifest) -> bool:
    tier = manifest.tiers[0]
    return admissions.knows(manifest, tier, tier.variants[0])


def test_a_model_is_tried_once_and_remembered_over_a_restart(tmp_path: Path) -> None:
    path, read, form = tmp_path / "admitted.json", Reader(mean_model()), manifest_of(mean_model())
    assert not knows(Admissions(path, LIMITS), form)
    first = ask(Admissions(path, LIMITS), read, form)
    assert knows(Admissions(path, LIMITS), form)
    assert ask(Admissions(path, LIMITS), read, form) == first
    assert read.trials == 1


def test_a_refusal_is_remembered_like_an_admission(tmp_path: Path) -> None:
    path, read, form = tmp_path / "admitted.json", Reader(b"no model"), manifest_of(mean_model())
    for _ in range(2):
        with pytest.raises(Refused, match="no ONNX model") as refused:
            ask(Admissions(path, LIMITS), read, form)
        assert (refused.value.limit, bool(refused.value.hint)) == ("format", True)
    assert read.trials == 1


def test_a_trial_that_a_busy_machine_may_have_ended_is_tried_again(tmp_path: Path) -> None:
    hurried = msgspec.structs.replace(LIMITS, wall_s=0.0)
    admissions, read = Admissions(tmp_path / "admitted.json", hurried), Reader(mean_model())
    for trials in (1, 2):
        with pytest.raises(Refused) as refused:
            ask(admissions, read, manifest_of(mean_model()))
        assert (refused.value.limit, read.trials) == ("time", trials)


@pytest.mark.parametrize("changed", ["artifact", "axes", "limits", "machine", "damage"])
def test_what_has_changed_is_tried_anew(tmp_path: Path, changed: str) -> None:
    path, form = tmp_path / "admitted.json", manifest_of(mean_model())
    ask(Admissions(path, LIMITS, machine="this one"), Reader(mean_model()), form)
    assert knows(Admissions(path, LIMITS, machine="this one"), form)
    limits, machine = LIMITS, "this one"
    if changed == "artifact":
        form = manifest_of(mean_model(input_name="other"))
    elif changed == "axes":
        form = msgspec.structs.replace(form, axes={"batch": Axis(max=5)})
    elif changed == "limits":
        limits = msgspec.structs.replace(LIMITS, memory_bytes=LIMITS.memory_bytes - 1)
    elif changed == "machine":
        machine = "another one"
    else:
        path.write_text('{"machine": "this one", "verdicts": {"')
    assert not knows(Admissions(path, limits, machine=machine), form)


def test_an_admission_that_cannot_be_kept_is_given_all_the_same(tmp_path: Path) -> None:
    admissions = Admissions(tmp_path / "missing" / "admitted.json", LIMITS)
    assert ask(admissions, Reader(mean_model()), manifest_of(mean_model())).peak_memory_bytes >= 0


def test_a_hosted_model_knows_what_its_trial_has_shown(tmp_path: Path) -> None:
    admissions = Admissions(tmp_path / "admitted.json", LIMITS)
    executor = Executor(
        MemoryStore(mean_model()), slots=1, memory_budget_bytes=LIMITS.memory_bytes, admission=admissions
    )
    form = manifest_of(mean_model())
    hosted = executor.host(form, form.tiers[0], form.tiers[0].variants[0])
    executor.close()
    assert hosted.admitted == ask(admissions, Reader(b""), form)
