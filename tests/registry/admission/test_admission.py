"""Trials of sound models, and of what surrounds a trial: each is a real process."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from model_registry.admission.admit import admit
from model_registry.admission.admitted import Admitted, Limits
from model_registry.admission.golden import golden_inputs
from model_registry.admission.report import Order, Reached, Ready
from model_registry.admission.trial_process import TrialProcess
from model_registry.errors import Refused
from model_registry.manifest import Manifest, load
from model_registry.runtime.session import open_session
from model_registry.store import bundled_models
from model_registry.tensor import Axis, Tensor
from tests.executor.graphs import manifest_of, mean_model
from tests.registry.admission import hostile
from tests.registry.admission.hostile import LIMITS

pytestmark = pytest.mark.slow


def tried(content: bytes, limits: Limits = LIMITS, manifest: Manifest | None = None) -> Admitted:
    manifest = manifest or manifest_of(content)
    tier = manifest.tiers[0]
    return admit(content, manifest, tier, tier.variants[0], limits)


def test_a_sound_model_is_admitted_with_what_it_takes() -> None:
    admitted = tried(mean_model())
    assert admitted.artifact == manifest_of(mean_model()).tiers[0].variants[0].artifact
    assert 0 <= admitted.peak_memory_bytes < 20_000_000 < admitted.process_peak_bytes
    assert 0.0 < admitted.smallest_p50_s <= admitted.smallest_p99_s
    assert min(admitted.largest_s, admitted.load_s) > 0.0


def test_memory_is_that_of_the_largest_input() -> None:
    form = manifest_of(mean_model())
    large = msgspec.structs.replace(form, axes={"batch": Axis(max=1_000_000)})
    small = tried(mean_model()).peak_memory_bytes
    # One input of int16[1,000,000, 16], and the floats that it is cast to.
    assert tried(mean_model(), manifest=large).peak_memory_bytes - small > 16_000_000 * (2 + 4)


def test_an_input_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    endless = msgspec.structs.replace(manifest_of(mean_model()), axes={"batch": Axis(max=2**31 - 1)})
    with pytest.raises(Refused, match=r"the largest input alone takes 68,719 MB and the limit is 210 MB") as refused:
        tried(mean_model(), manifest=endless)
    assert refused.value.limit == "memory"


def test_an_output_that_is_not_as_promised_is_refused() -> None:
    form = manifest_of(mean_model())
    wide = Tensor(name="score", dtype="float32", shape=("batch", 2))
    tier = msgspec.structs.replace(form.tiers[0], outputs=(wide,))
    with pytest.raises(Refused, match="'score' has 2 axes in the manifest and 1 in the graph") as refused:
        admit(mean_model(), form, tier, tier.variants[0], LIMITS)
    assert refused.value.limit == "contract"


def test_as_many_nodes_as_the_bound_allows_are_admitted() -> None:
    assert tried(hostile.chain(5_000)).golden.repeatable


# --------------------------------------------------------------------------------------------------- golden answers


@pytest.mark.parametrize("tier_index", [0, 1, 2])
def test_a_session_elsewhere_gives_the_golden_answers_bit_for_bit(tier_index: int) -> None:
    folder = Path(str(bundled_models()["ecg-anomaly"]))
    manifest = load(folder / "manifest.toml")
    tier = manifest.tiers[tier_index]
    variant = tier.variants[0]
    content = (folder / variant.file).read_bytes()
    golden = admit(content, manifest, tier, variant, Limits(memory_bytes=2**30, wall_s=60.0, size_bytes=2**30)).golden
    assert (golden.drawn, golden.repeatable) == (True, True)
    names = [tensor.name for tensor in tier.outputs]
    outputs = open_session(content).run(names, dict(golden_inputs(manifest, variant.artifact)))
    found = dict(zip(names, outputs, strict=True))
    assert golden.differences(found) == []
    found[names[0]] = found[names[0]] + 1
    assert golden.differences(found) == names[:1]


def test_a_model_that_draws_lots_has_no_golden_answer() -> None:
    golden = tried(hostile.draws_lots()).golden
    assert (golden.repeatable, golden.differences({})) == (False, [])


def test_a_model_that_takes_no_drawn_values_is_given_zeros() -> None:
    assert not tried(hostile.takes_small_values_only()).golden.drawn


def test_not_a_number_for_zeros_is_no_reason_to_refuse() -> None:
    """Zeros may lie outside of all that a model was made for, and whoever asks is told of each malformed answer."""
    assert tried(hostile.not_a_number_on_zeros()).golden.repeatable


# --------------------------------------------------------------------------------------------------- the surroundings


LOADED_S = 0.5
"""Of the processor: an endless model of a few hundred bytes is loaded long before, and computes."""


class Running:
    """An endless model on trial, in a thread, with the process that it occupies."""

    def __init__(self) -> None:
        self.refused: Refused | None = None
        self._thread = threading.Thread(target=self._try)

    def __enter__(self) -> psutil.Process:
        self._thread.start()
        child = wait_for_child(psutil.Process())
        wait_for(lambda: not child.is_running() or is_confined(child))
        before_s = child.cpu_times().user
        wait_for(lambda: not child.is_running() or child.cpu_times().user > before_s + LOADED_S)
        return child

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _try(self) -> None:
        try:
            tried(hostile.endless_loop(), msgspec.structs.replace(LIMITS, cpu_s=4))
        except Refused as refused:
            self.refused = refused


def wait_for(condition: Callable[[], object]) -> None:
    never = threading.Event()
    while not condition():
        never.wait(0.02)  # Another process knows; it can only be looked at.


def wait_for_child(process: psutil.Process) -> psutil.Process:
    wait_for(lambda: trials_of(process) or not process.is_running())
    return trials_of(process)[0]


def trials_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the trials among its children; Python keeps one of its own once something has shared memory."""
    return [child for child in process.children() if is_trial(child)]


def is_trial(process: psutil.Process) -> bool:
    try:
        return "model_registry.admission.child" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def is_confined(trial: psutil.Process) -> bool:
    """Tell whether a trial has imported all that it needs: only then its time is limited."""
    return trial.rlimit(psutil.RLIMIT_CPU)[1] != psutil.RLIM_INFINITY


def test_a_trial_out_of_time_is_ended_and_says_so() -> None:
    limits = msgspec.structs.replace(LIMITS, wall_s=0.3, cpu_s=60)
    with pytest.raises(Refused, match=r"had not ended after 0\.3 s") as refused:
        tried(hostile.endless_loop(), limits)
    assert (refused.value.limit, refused.value.lasting) == ("time", False)
    assert trials_of(psutil.Process()) == []


def test_what_the_runtime_takes_to_start_is_no_time_of_the_model() -> None:
    form = manifest_of(mean_model())
    limits = msgspec.structs.replace(LIMITS, wall_s=0.0)
    order = Order(manifest=form, tier=form.tiers[0], variant=form.tiers[0].variants[0], limits=limits)
    trial = TrialProcess(order, mean_model(), threading.Event())
    trial._take(Reached(step="looking at the file"))
    with pytest.raises(Refused, match="looking at the file had not ended after 0 s"):
        trial._check_time()
    trial._take(Reached(step="starting the runtime"))
    trial._check_time()
    trial._take(Ready(resident_bytes=0))
    with pytest.raises(Refused, match="loading had not ended after 0 s"):
        trial._check_time()


@pytest.mark.parametrize(
    ("number", "limit", "words"),
    [
        (signal.SIGKILL, "trial", "the system, most likely short of memory, killed it while running the smallest"),
        (signal.SIGSEGV, "crash", "running the smallest input ended its trial process with SIGSEGV"),
    ],
)
def test_a_trial_that_something_else_ends_is_told_apart(number: signal.Signals, limit: str, words: str) -> None:
    trial = Running()
    with trial as child:
        child.send_signal(number)
    assert trial.refused is not None
    assert trial.refused.limit == limit
    assert words in trial.refused.message


def test_a_trial_process_has_nothing_but_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "not for a model")
    with tempfile.TemporaryFile(), Running() as child:
        environment = set(child.environ())
        descriptors = {path.name for path in Path(f"/proc/{child.pid}/fd").iterdir()}
        folder = Path(child.cwd())
        assert list(folder.iterdir()) == []
        assert child.nice() == min(os.nice(0) + 10, 19)
        assert os.getsid(child.pid) == child.pid
        limits = [child.rlimit(what) for what in (psutil.RLIMIT_CORE, psutil.RLIMIT_NPROC, psutil.RLIMIT_FSIZE)]
        child.kill()
    threads = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    assert environment == {"HOME", "ORT_DISABLE_TELEMETRY", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", *threads}
    # Its order, what it prints (twice: stdout goes there too), and the pipe for its reports.
    assert descriptors == {"0", "1", "2", "3"}
    assert limits == [(0, 0), (0, 0), (2**20, 2**20)]
    assert not folder.exists()


def test_a_trial_dies_with_the_process_that_watches_it(tmp_path: Path) -> None:
    script = (
        "import msgspec; from tests.registry.admission.test_admission import tried, LIMITS, hostile\n"
        "tried(hostile.endless_loop(), msgspec.structs.replace(LIMITS, cpu_s=60))"
    )
    command, environment = [sys.executable, "-c", script], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], env=environment) as watching:
        try:
            trial = wait_for_child(psutil.Process(watching.pid))
        finally:
            watching.kill()
    _, alive = psutil.wait_procs([trial], timeout=30)
    assert alive == []


def test_what_a_trial_prints_stays_out_of_this_process(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused):
        tried(hostile.endless_loop())
    assert capfd.readouterr() == ("", "")


def test_a_trial_that_cannot_begin_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(Refused, match="toy/watch/toy-fp32 could not be tried: ") as refused:
        tried(mean_model())
    assert (refused.value.limit, refused.value.lasting) == ("trial", False)


def test_a_tflite_model_is_tried_like_any_other() -> None:
    golden = tried_image_model(tflite(IMAGES), batch=4).golden
    assert (golden.drawn, golden.repeatable) == (True, True)


def test_a_tflite_model_that_was_cut_short_is_refused() -> None:
    content = tflite(IMAGES)
    with pytest.raises(Refused) as refused:
        tried_image_model(content[: len(content) // 2], batch=4)
    assert refused.value.limit == "format"


def test_a_tflite_model_is_held_to_the_memory_that_its_largest_batch_takes() -> None:
    with pytest.raises(Refused, match=r"running the largest input \(batch = 5000\) asked for more") as refused:
        tried_image_model(tflite(IMAGES), batch=5_000)
    assert refused.value.limit == "memory"


IMAGES = "pretrainedResnet_large_int8.tflite"


def tried_image_model(content: bytes, *, batch: int) -> Admitted:
    image = Tensor(name="input_5", dtype="int8", shape=("batch", 32, 32, 3))
    scores = Tensor(name="dense_4", dtype="int8", shape=("batch", 10))
    form = msgspec.structs.replace(manifest_of(mean_model()), inputs=(image,), axes={"batch": Axis(max=batch)})
    tier = msgspec.structs.replace(form.tiers[0], outputs=(scores,))
    variant = msgspec.structs.replace(tier.variants[0], format="tflite")
    return admit(content, form, tier, variant, LIMITS)


def tflite(name: str) -> bytes:
    pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
    path = Path(__file__).parents[4] / "shared" / "data" / "models" / name
    if not path.is_file():
        pytest.skip(f"needs {name} in ../shared/data/models")
    return path.read_bytes()


def test_a_trial_that_is_called_off_ends_at_once_and_may_be_made_again() -> None:
    content, called_off = hostile.endless_loop(), threading.Event()
    form = manifest_of(content)
    called_off.set()
    with pytest.raises(Refused, match="called off") as refused:
        admit(content, form, form.tiers[0], form.tiers[0].variants[0], LIMITS, called_off=called_off)
    assert not refused.value.lasting
