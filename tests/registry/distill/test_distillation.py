from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="distillation needs the `torch` extra")
onnx = pytest.importorskip("onnx", reason="distillation needs the `torch` extra")

from model_registry.distill import examples  # noqa: E402
from model_registry.distill.__main__ import main, size_bytes  # noqa: E402
from model_registry.distill.distillation import Distilled, Wish, distil  # noqa: E402
from model_registry.distill.errors import DistillError, TargetTooSmall  # noqa: E402
from model_registry.distill.fitting import widest  # noqa: E402
from model_registry.distill.latency import opened  # noqa: E402
from model_registry.distill.lesson import Progress, Recipe  # noqa: E402
from model_registry.distill.teacher import Teacher  # noqa: E402
from tests.registry.distill.graphs import classifier, convolutions, port, saved, signals  # noqa: E402

TARGET_BYTES = 3_000


def silent(doing: str, progress: Progress | None) -> None:
    """Show nothing."""


def student(folder: Path, *, seed: int = 1, target_bytes: int = TARGET_BYTES) -> Distilled:
    path, data = classifier(folder)
    teacher = Teacher(path)
    wish = Wish(target_bytes=target_bytes, recipe=Recipe(seed=seed, steps=150))
    return distil(teacher, examples.read(data, teacher.inputs, "truth"), wish, silent)


def test_the_int8_file_fits_the_target_and_uses_most_of_it(tmp_path: Path) -> None:
    made = student(tmp_path)
    assert 0.8 * TARGET_BYTES < len(made.files["int8"]) <= TARGET_BYTES


def test_a_student_agrees_with_its_teacher_more_than_any_constant_answer(tmp_path: Path) -> None:
    made = student(tmp_path)
    answers = Teacher(tmp_path / "classifier.onnx").answers({"row": np.load(tmp_path / "rows.npz")["row"]})
    most_frequent = np.bincount(answers["klass"].argmax(1)).max() / 600
    for candidate in made.summary.candidates:
        assert candidate.agreement["klass"] > most_frequent + 0.3
        assert candidate.accuracy["balanced_accuracy"] > 0.8


def test_a_student_takes_its_teacher_s_place(tmp_path: Path) -> None:
    made = student(tmp_path)
    teacher = opened((tmp_path / "classifier.onnx").read_bytes())
    rows = np.load(tmp_path / "rows.npz")["row"][:5]
    for content in made.files.values():
        session = opened(content)
        for mine, theirs in (
            (session.get_inputs(), teacher.get_inputs()),
            (session.get_outputs(), teacher.get_outputs()),
        ):
            assert [(port.name, port.type, port.shape[1:]) for port in mine] == [
                (port.name, port.type, port.shape[1:]) for port in theirs
            ]
        np.testing.assert_allclose(session.run(None, {"row": rows})[0].sum(1), 1, rtol=1e-4)


def test_the_same_seed_makes_the_same_files_and_another_others(tmp_path: Path) -> None:
    first, again, other = student(tmp_path), student(tmp_path), student(tmp_path, seed=2)
    assert first.files == again.files
    assert first.files != other.files


def test_a_target_that_nothing_fits_names_the_smallest_that_something_would(tmp_path: Path) -> None:
    with pytest.raises(TargetTooSmall) as refusal:
        student(tmp_path, target_bytes=300)
    smallest = refusal.value.smallest_bytes
    assert f"at least {smallest:,} bytes" in str(refusal.value)
    assert len(student(tmp_path, target_bytes=smallest).files["int8"]) <= smallest


def test_signals_of_several_channels_are_learned_by_convolutions(tmp_path: Path) -> None:
    teacher = Teacher(convolutions(tmp_path))
    np.savez(tmp_path / "signals.npz", signal=signals(400))
    wish = Wish(target_bytes=12_000, recipe=Recipe(steps=80))
    made = distil(teacher, examples.read(tmp_path / "signals.npz", teacher.inputs), wish, silent)
    assert len(made.files["int8"]) <= 12_000
    assert made.summary.candidates[1].agreement["said"] > 0.5
    assert "Conv" in {node.op_type for node in onnx.load_from_string(made.files["fp32"]).graph.node}


def test_the_widest_that_fits_is_found_whatever_it_is() -> None:
    for most in range(2, 40):
        assert widest(lambda width: width * 10, most * 10 + 5, narrowest=2, widest=32) == min(most, 32)


def test_the_command_writes_both_files_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher, data = classifier(tmp_path)
    asked = ["--teacher", str(teacher), "--data", str(data), "--out", str(tmp_path / "out"), "--steps", "20"]
    assert main([*asked, "--target-size", "3kB"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"classifier-student{end}" for end in ("-fp32.onnx", "-int8.onnx", ".json")}
    assert capsys.readouterr().out.splitlines()[-3:] == [
        str(tmp_path / "out" / f"classifier-student{end}") for end in ("-fp32.onnx", "-int8.onnx", ".json")
    ]


def test_a_command_that_cannot_be_done_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher, data = classifier(tmp_path)
    assert main(["--teacher", str(teacher), "--data", str(data), "--target-size", "huge"]) == 1
    assert "distill: 'huge' is no size." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("100KB", 100_000), ("12.7kB", 12_700), ("1MiB", 1_048_576), ("4096", 4096), ("3 kb", 3_000)]
)
def test_a_size_is_read_in_the_units_people_write(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_data_that_does_not_fit_the_teacher_is_refused_with_what_it_takes(tmp_path: Path) -> None:
    path, data = classifier(tmp_path)
    inputs = Teacher(path).inputs
    rows = np.load(data)["row"]
    for arrays, why in (
        ({"rows": rows}, "holds no data for input 'row'"),
        ({"row": rows[:, :5]}, "the teacher takes 'row'"),
        ({"row": rows.astype(np.float32)}, "is float32"),
        ({"row": rows[:10]}, "holds 10 examples"),
    ):
        np.savez(tmp_path / "other.npz", **arrays)
        with pytest.raises(DistillError, match=why):
            examples.read(tmp_path / "other.npz", inputs)
    with pytest.raises(DistillError, match="There is no file"):
        examples.read(tmp_path / "none.npz", inputs)
    with pytest.raises(DistillError, match="neither an array of the data nor"):
        examples.read(data, inputs, "klass")


def test_a_teacher_that_no_student_can_follow_is_refused_with_the_reason(tmp_path: Path) -> None:
    def refused(nodes: list[object], inputs: list[object], outputs: list[object], why: str, **weights: object) -> None:
        path = saved(tmp_path / "teacher.onnx", nodes, inputs, outputs, weights)  # type: ignore[arg-type]
        with pytest.raises(DistillError, match=why):
            Teacher(path)

    node, row = onnx.helper.make_node, port("x", ["batch", 4])
    text = port("x", ["batch"], onnx.TensorProto.STRING)
    tokens = port("x", ["batch", 4], onnx.TensorProto.INT64)
    refused([node("Identity", ["x"], ["y"])], [text], [port("y", ["batch"], onnx.TensorProto.STRING)], "of numbers")
    refused(
        [node("Gather", ["table", "x"], ["y"])],
        [tokens],
        [port("y", ["batch", 4])],
        "looks things up in a table",
        table=np.ones(9, np.float32),
    )
    refused(
        [node("Add", ["x", "state"], ["y"]), node("Identity", ["y"], ["stateN"])],
        [row, port("state", ["batch", 4])],
        [port("y", ["batch", 4]), port("stateN", ["batch", 4])],
        "carries state from one call to the next",
    )
    refused(
        [node("Relu", ["x"], ["y"])], [port("x", [8, 4])], [port("y", [8, 4])], "takes exactly 8 examples at a time"
    )
    refused([node("Relu", ["x"], ["y"])], [port("x", [])], [port("y", [])], "has no batch axis")
    refused(
        [node("ArgMax", ["x"], ["y"], axis=1)],
        [row],
        [port("y", ["batch", 1], onnx.TensorProto.INT64)],
        "not of real numbers",
    )
