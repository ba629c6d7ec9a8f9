from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")
pytest.importorskip("onnx", reason="exporting needs the `train` extra")

from meshd.errors import PolicyUnusable  # noqa: E402
from meshd.policy.features import features  # noqa: E402
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column, context_column  # noqa: E402
from meshd.policy.learned import LearnedPolicy  # noqa: E402
from meshd.policy.record import read  # noqa: E402
from policies.errors import ExportFailed  # noqa: E402
from policies.export import Range, export, file_bytes, logits_of, promote, torch_logits_of  # noqa: E402
from policies.network import Form, Scorer  # noqa: E402
from policies.simulator import Simulator  # noqa: E402
from tests.policies.simulator.playing import play  # noqa: E402
from tests.policies.small_worlds import minute  # noqa: E402

SEEN = Range(low=(0.0,) * (N_CANDIDATE + N_CONTEXT), high=(1.0,) * (N_CANDIDATE + N_CONTEXT))

FORM = Form(n_members=2, width=64, temperature_joules=0.05, wait_joules=0.1)


def stirred(width: int) -> Scorer:
    """A network whose last layer does something."""
    torch.manual_seed(1)
    network = Scorer(replace(FORM, width=width))
    with torch.no_grad():
        network.score.weight.mul_(1000.0)
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("export") / "policy.onnx"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tqdm.tqdm.monitor_interval", 0)  # The exporter's progress bars would leave a thread behind.
        export(stirred(64), path, name="stirred", seen=SEEN, training={"seed": 7})
    return path


def test_the_file_says_what_torch_says_of_real_decisions(exported: Path) -> None:
    by_file, by_torch = logits_of(exported), torch_logits_of(stirred(64))
    choices = play(Simulator(minute()))
    assert choices
    for choice in choices:
        seen = features(choice.observation, choice.view, choice.now)
        given = seen.candidates[None], seen.context[None]
        found, expected = by_file(*given)[0], by_torch(*given)[0]
        assert found == pytest.approx(expected, abs=1e-4)
        assert found.argmax() == expected.argmax()


def test_how_large_a_file_will_be_is_known_before_there_is_any(exported: Path) -> None:
    assert exported.stat().st_size == pytest.approx(file_bytes(FORM), abs=200)


def test_the_file_takes_any_batch_and_any_number_of_candidates(exported: Path) -> None:
    for batch, rows in ((1, 2), (5, 3), (2, 200)):
        shape = (batch, rows, N_CANDIDATE), (batch, N_CONTEXT)
        logits = logits_of(exported)(*(np.zeros(one, dtype=np.float32) for one in shape))
        assert logits.shape == (batch, rows)


def test_a_daemon_takes_the_file_and_chooses_what_torch_chooses(exported: Path) -> None:
    served, trained = LearnedPolicy(exported), torch_logits_of(stirred(64))
    assert served.record.training == {"seed": 7}
    assert exported.stat().st_size <= 200_000
    for choice in play(Simulator(minute())):
        asked = choice.observation, choice.view, choice.now
        seen = features(*asked)
        logits = trained(seen.candidates[None], seen.context[None])
        assert served.choose(*asked) == seen.ways[int(logits.argmax())]


def test_a_flag_that_is_rare_in_training_is_no_stranger() -> None:
    candidates, context = np.zeros((5000, N_CANDIDATE), np.float32), np.zeros((5000, N_CONTEXT), np.float32)
    context[0, context_column("is_emergency")] = 1.0
    candidates[0, column("load_s")] = 9.0
    high = Range.of(candidates, context).high
    assert high[N_CANDIDATE + context_column("is_emergency")] == 1.0
    assert high[column("load_s")] == 0.0


@pytest.fixture
def earlier(exported: Path, tmp_path: Path) -> Path:
    """Export where a policy is already."""
    return Path(copytree(exported.parent, tmp_path / "policy")) / exported.name


def test_a_network_that_is_too_large_is_not_shipped_and_spares_what_was_there(
    earlier: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    with pytest.raises(ExportFailed, match=r"policy/policy.onnx has \d+ bytes, more than 200000"):
        export(stirred(256), earlier, name="wide", seen=SEEN, training={})
    assert files_of(earlier.parent) == files_of(exported.parent)


def test_a_policy_whose_export_was_broken_off_between_its_files_is_told_as_such(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place = Path.replace

    def broken_off(draft: Path, path: Path) -> Path:
        if path.suffix == ".toml":
            raise KeyboardInterrupt
        return put_in_place(draft, path)

    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    monkeypatch.setattr(Path, "replace", broken_off)
    with pytest.raises(KeyboardInterrupt):
        export(stirred(32), earlier, name="narrow", seen=SEEN, training={})
    with pytest.raises(PolicyUnusable, match=r"not the file that policy\.toml describes: they are of two exports"):
        LearnedPolicy(earlier)


def test_what_is_promoted_is_the_same_network_with_what_was_measured_in_its_record(
    earlier: Path, tmp_path: Path
) -> None:
    promote(earlier, tmp_path / "best.onnx", gain=0.25)
    (before, network), (record, promoted) = read(earlier), read(tmp_path / "best.onnx")
    assert promoted == network
    assert record == replace(before, training={"seed": 7, "gain": 0.25})


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
