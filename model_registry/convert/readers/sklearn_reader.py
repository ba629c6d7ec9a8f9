"""Reads scikit-learn models: skops files safely, pickles only when the user trusts their maker; skl2onnx converts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model_registry.convert import source_kind as kinds
from model_registry.convert.digest import digest
from model_registry.convert.errors import ModelRefused, first_line
from model_registry.convert.imported import Imported
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.source_kind import SourceKind
from model_registry.extra import needing

OPSET = 17
"""What every runtime of the last years reads; classical models need nothing newer."""
INPUT = "features"


def read_sklearn(source: Path, kind: SourceKind, scratch: Path, options: ReadingOptions) -> Imported:
    """Load a fitted estimator or pipeline and convert it to ONNX.

    A classifier gives `probabilities` and no label: labels may be words, which no tensor of a manifest carries.

    Raises:
        ModelRefused: a pickle nobody vouched for, no fitted estimator, or one that skl2onnx cannot convert.
        ExtraMissing: scikit-learn, skl2onnx or skops is not installed.

    """
    with needing("sklearn", "Importing scikit-learn models"):
        import skl2onnx  # noqa: PLC0415 - an extra.
        import sklearn  # noqa: PLC0415

    estimator = _loaded(source, kind, options)
    model = _converted(estimator, source.name)
    target = scratch / "origin.onnx"
    target.write_bytes(model.SerializeToString())
    return Imported(
        path=target,
        format="onnx",
        origin=source.name,
        origin_bytes=source.stat().st_size,
        origin_sha256=digest(source),
        converted_by=f"skl2onnx {skl2onnx.__version__} from scikit-learn {sklearn.__version__}",
        classes=tuple(getattr(estimator, "classes_", ())),
    )


def _loaded(source: Path, kind: SourceKind, options: ReadingOptions) -> Any:
    if kind is not kinds.SKOPS and not options.trust_pickle:
        raise ModelRefused(
            f"{source.name} is {kind.title}, and loading it runs whatever code its maker put there.",
            hint="Save the model with skops.io.dump instead, or give --trust-pickle if you know who made the file.",
        )
    load = partial(_load_skops, options=options) if kind is kinds.SKOPS else _load_pickle
    with warnings.catch_warnings(record=True) as said:  # Of another version's estimator, say.
        warnings.simplefilter("always")
        try:
            estimator = load(source)
        except ModelRefused:
            raise
        except Exception as error:  # A pickle may raise anything.
            raise ModelRefused(
                f"{source.name} cannot be loaded: {first_line(error)}.",
                hint=_hint_of(said) or "Load it where it was made, and save it again with skops.io.dump.",
            ) from error
    if not hasattr(estimator, "predict") and not hasattr(estimator, "transform"):
        raise ModelRefused(
            f"{source.name} holds {_article(type(estimator).__name__)}, not a scikit-learn model.",
            hint=kinds.TORCH_PICKLE.conversion if "torch" in type(estimator).__module__ else "Save the fitted model.",
        )
    return estimator


def _load_skops(source: Path, options: ReadingOptions) -> Any:
    with needing("sklearn", "Importing .skops files"):
        from skops import io  # noqa: PLC0415 - an extra.

    doubtful = io.get_untrusted_types(file=source)
    if doubtful and not options.trust_pickle:
        raise ModelRefused(
            f"{source.name} holds what skops does not know to be harmless: {', '.join(doubtful)}.",
            hint="Give --trust-pickle if you know who made the file.",
        )
    return io.load(source, trusted=doubtful)


def _load_pickle(source: Path) -> Any:
    import joblib  # noqa: PLC0415 - scikit-learn brings it.

    return joblib.load(source)


def _converted(estimator: Any, name: str) -> Any:
    from skl2onnx import to_onnx  # noqa: PLC0415 - an extra.
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415

    features = getattr(estimator, "n_features_in_", None)
    if features is None:
        raise ModelRefused(f"{name} was not fitted: it does not know how many features it takes.", hint="Fit it first.")
    try:
        model = to_onnx(
            estimator,
            initial_types=[(INPUT, FloatTensorType([None, features]))],
            target_opset={"": OPSET, "ai.onnx.ml": 3},
            options=_plain(estimator),
        )
    except Exception as error:  # skl2onnx raises a class for each of many reasons, and Python's own.
        raise ModelRefused(
            f"skl2onnx cannot convert {_article(type(estimator).__name__)}: {first_line(error)}.",
            hint="Its documentation lists the supported estimators.",
        ) from error
    return _with_plain_outputs(model, is_classifier="classes_" in dir(estimator))


def _plain(estimator: Any) -> Mapping[int, dict[str, bool]]:
    """Ask for probabilities as one tensor: the default is a sequence of maps, which no tensor of a manifest carries."""
    return {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else {}


def _with_plain_outputs(model: Any, *, is_classifier: bool) -> Any:
    """Drop a classifier's label, which is the largest of its probabilities, and name a regressor's output `value`."""
    outputs = model.graph.output
    names = [output.name for output in outputs]
    if is_classifier:
        del outputs[names.index("label")]
    for output in outputs:
        if output.name == "variable":
            _rename(model.graph, output.name, "value")
    return model


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]
    for output in graph.output:
        output.name = new if output.name == old else output.name


def _article(word: str) -> str:
    return f"{'an' if word[:1] in 'AEIOU' else 'a'} {word}"


def _hint_of(said: list[warnings.WarningMessage]) -> str:
    return f"It was said on the way: {first_line(Exception(str(said[0].message)))}." if said else ""
