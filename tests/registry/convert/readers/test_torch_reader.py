"""PyTorch's formats that carry a network are exported; pickled modules never are loaded."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("onnxscript", reason="needs the torch extra")

from model_registry.convert.errors import ModelRefused  # noqa: E402
from model_registry.convert.imported import Imported  # noqa: E402
from model_registry.convert.quiet import quiet  # noqa: E402
from model_registry.convert.readers.reading import read  # noqa: E402
from model_registry.convert.readers.reading_options import ReadingOptions  # noqa: E402
from model_registry.runtime.session import open_session  # noqa: E402

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()


def reading(source: Path, *, trust: bool = False, examples: dict[str, Any] | None = None) -> Imported:
    scratch = source.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return read(source, scratch, ReadingOptions(trust_pickle=trust, examples=examples or {}))


def answers(imported: Imported) -> Any:
    session = open_session(imported.path.read_bytes())
    return session.run([session.outputs[0].name], {session.inputs[0].name: X})[0]


def exported(path: Path) -> Path:
    with quiet():
        batch = {0: torch.export.Dim("batch", min=1, max=64)}
        torch.export.save(torch.export.export(network(), (torch.zeros(2, 4),), dynamic_shapes=(batch,)), path)
    return path


def scripted(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is old, and people have it.
        torch.jit.trace(network(), torch.zeros(2, 4)).save(str(path))
    return path


@pytest.mark.slow
def test_an_exported_program_answers_as_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # The exporter's progress bars would leave a thread behind.
    imported = reading(exported(tmp_path / "m.pt2"), trust=True)
    assert np.allclose(answers(imported), network()(torch.from_numpy(X)).detach().numpy(), atol=1e-5)
    assert imported.converted_by == f"torch {torch.__version__}"


def test_an_exported_program_needs_trust_because_torch_unpickles_parts_of_it(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"torch unpickles parts of it.*--trust-pickle"):
        reading(exported(tmp_path / "m.pt2"))


class Writer(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A network that leaves a file where its maker wanted one."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        torch.save(x, self.target)
        return x


def test_torchscript_needs_trust_because_it_may_write_any_file(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Writer(str(tmp_path / "planted"))).save(str(tmp_path / "m.pt"))
    with pytest.raises(ModelRefused, match=r"may read and write any file of yours.*--trust-pickle"):
        reading(tmp_path / "m.pt", examples={"x": X})
    assert not (tmp_path / "planted").exists()


def test_torchscript_with_an_example_answers_as_it_did_for_any_batch(tmp_path: Path) -> None:
    imported = reading(scripted(tmp_path / "m.pt"), trust=True, examples={"anything": X})
    assert np.allclose(answers(imported), network()(torch.from_numpy(X)).detach().numpy(), atol=1e-5)


def test_torchscript_without_an_example_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"does not say the shape of its inputs.*--calibration FILE.npz"):
        reading(scripted(tmp_path / "m.pt"), trust=True)


@pytest.mark.parametrize("trust", [False, True])
def test_a_pickled_module_is_refused_even_when_trusted(tmp_path: Path, trust: bool) -> None:
    torch.save(network().state_dict(), tmp_path / "m.pt")
    with pytest.raises(ModelRefused, match=r"a PyTorch pickle.*torch\.export\.save"):
        reading(tmp_path / "m.pt", trust=trust)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    source = scripted(tmp_path / "m.pt")
    content = bytearray(source.read_bytes())
    at = content.index(b"__torch__", 200)
    content[at : at + 9] = b"__wrong__"
    source.write_bytes(content)
    with pytest.raises(ModelRefused, match=r"torch cannot export m\.pt"):
        reading(source, trust=True, examples={"x": X})
