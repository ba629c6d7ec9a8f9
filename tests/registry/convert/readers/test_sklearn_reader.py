"""A scikit-learn model is read from skops safely, and from a pickle only when its maker is trusted."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("skl2onnx", reason="needs the sklearn extra")
joblib = pytest.importorskip("joblib", reason="needs the sklearn extra")
skops = pytest.importorskip("skops.io", reason="needs the sklearn extra")

from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from typing_extensions import override  # noqa: E402

from model_registry.convert.errors import ModelRefused  # noqa: E402
from model_registry.convert.imported import Imported  # noqa: E402
from model_registry.convert.readers.reading import read  # noqa: E402
from model_registry.convert.readers.reading_options import ReadingOptions  # noqa: E402
from model_registry.runtime.session import open_session  # noqa: E402

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 4.0]])
Y = np.array([3, 3, 7, 7])


def reading(source: Path, *, trust: bool = False) -> Imported:
    scratch = source.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return read(source, scratch, ReadingOptions(trust_pickle=trust))


def fitted() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def test_a_classifier_from_skops_gives_the_probabilities_of_its_classes(tmp_path: Path) -> None:
    model = fitted()
    skops.dump(model, tmp_path / "m.skops")
    imported = reading(tmp_path / "m.skops")
    session = open_session(imported.path.read_bytes())
    assert [(t.name, t.dtype) for t in session.inputs] == [("features", "float32")]
    assert [t.name for t in session.outputs] == ["probabilities"]
    (probabilities,) = session.run(["probabilities"], {"features": X.astype(np.float32)})
    assert np.allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert imported.classes == (3, 7)
    assert imported.converted_by.startswith("skl2onnx ")


def test_a_regressor_gives_its_value(tmp_path: Path) -> None:
    skops.dump(LinearRegression().fit(X, X.sum(axis=1)), tmp_path / "m.skops")
    session = open_session(reading(tmp_path / "m.skops").path.read_bytes())
    (value,) = session.run(["value"], {"features": X.astype(np.float32)})
    assert np.allclose(value[:, 0], X.sum(axis=1), atol=1e-5)


def test_classes_that_are_words_stay_readable(tmp_path: Path) -> None:
    skops.dump(LogisticRegression().fit(X, np.array(["calm", "calm", "wild", "wild"])), tmp_path / "m.skops")
    assert reading(tmp_path / "m.skops").classes == ("calm", "wild")


def test_a_pickle_runs_nothing_unless_its_maker_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(_Burglar(str(tmp_path / "burgled"))))
    with pytest.raises(ModelRefused, match=r"runs whatever code its maker put there.*--trust-pickle"):
        reading(tmp_path / "m.pkl")
    assert not (tmp_path / "burgled").exists()


@pytest.mark.parametrize("compress", [0, 3])
def test_a_trusted_pickle_is_read(tmp_path: Path, compress: int) -> None:
    joblib.dump(fitted(), tmp_path / "m.joblib", compress=compress)
    assert reading(tmp_path / "m.joblib", trust=True).classes == (3, 7)


def test_what_skops_does_not_know_is_named_and_needs_trust(tmp_path: Path) -> None:
    skops.dump(DecisionTreeClassifier().fit(X, Y), tmp_path / "m.skops")
    with pytest.raises(ModelRefused, match=r"does not know to be harmless: sklearn\.tree\._tree\.Tree"):
        reading(tmp_path / "m.skops")
    assert reading(tmp_path / "m.skops", trust=True).classes == (3, 7)


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        ({"weights": [1]}, "holds a dict, not a scikit-learn model"),
        (LogisticRegression(), "was not fitted"),
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path: Path, thing: object, reason: str) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(thing))
    with pytest.raises(ModelRefused, match=reason):
        reading(tmp_path / "m.pkl", trust=True)


def test_a_damaged_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(fitted())[:200])
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        reading(tmp_path / "m.pkl", trust=True)


class _Burglar:
    def __init__(self, path: str) -> None:
        self.path = path

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))
