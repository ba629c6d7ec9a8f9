from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.recording import Windows

torch = pytest.importorskip("torch", reason="students of the hub need the `torch` extra")
pytest.importorskip("onnx", reason="students of the hub need the `torch` extra")

from model_registry.distill.artifact import stirred  # noqa: E402
from model_registry.zoo.ecg.distil import Grounds, files, fitting_width, scores  # noqa: E402
from model_registry.zoo.ecg.export import TierNet  # noqa: E402
from model_registry.zoo.ecg.network import Committee, FrameNet, student_shape  # noqa: E402
from model_registry.zoo.ecg.sigmoid import Sigmoid  # noqa: E402
from model_registry.zoo.ecg.weights import restored_student, save_student  # noqa: E402


@pytest.fixture
def grounds(stream: DemoStream) -> Grounds:
    """Use windows of the demo, an anomalous one first and as many calm ones."""
    chosen = np.r_[np.flatnonzero(stream.anomalous)[:16], np.flatnonzero(~stream.anomalous)[:16]]
    beats = tuple(stream.beats(int(at)) for at in chosen)
    windows = Windows(ecg=stream.windows[chosen], beats=beats, patient=np.full(32, "208"))
    return Grounds(learned_from=windows, held_out=windows)


def network(width: int) -> FrameNet:
    """Return an untrained student, the same every time."""
    torch.manual_seed(3)
    student: FrameNet = stirred(FrameNet(student_shape(width)).eval())
    return student


def test_a_student_comes_back_from_its_weights_with_its_width_and_makes_the_same_files(
    grounds: Grounds, tmp_path: Path
) -> None:
    save_student(network(6), tmp_path / "weights.pt")
    assert files(restored_student(tmp_path / "weights.pt"), grounds) == files(network(6), grounds)


def test_the_widest_student_is_found_whose_file_fits(grounds: Grounds) -> None:
    width = fitting_width(grounds, 7_000)
    sizes = [len(files(network(candidate), grounds)[1]) for candidate in (width, width + 1)]
    assert sizes[0] <= 7_000 < sizes[1] + 128


def test_a_watch_says_what_its_network_says_without_the_weights_of_other_answers(grounds: Grounds) -> None:
    committee, ecg = Committee([network(6)]), torch.from_numpy(grounds.held_out.ecg)
    with torch.no_grad():
        (said,) = TierNet(committee, "watch", Sigmoid()).eval()(ecg)
        whole = torch.sigmoid(committee(ecg.float())[0][:, 0])
    torch.testing.assert_close(said, whole)
    assert committee.members[0].window.out_features == 5


def test_integers_answer_nearly_as_floats_do(grounds: Grounds) -> None:
    exact, quick = (scores(content, grounds.held_out.ecg) for content in files(network(6), grounds))
    np.testing.assert_allclose(quick, exact, atol=0.05)
