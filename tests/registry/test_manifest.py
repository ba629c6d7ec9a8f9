import datetime as dt
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.errors import ManifestError
from model_registry.manifest import Lifecycle, Manifest, dumps, load, loads, mistakes
from tests.registry.manifests import DATASET, VALID, WATCH_MODEL, sha256


def line_of_change(old: str, new: str) -> int:
    """The line (from 1) on which the replaced text ends."""
    return VALID[: VALID.index(old)].count("\n") + new.count("\n") + 1


def refused(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        loads(text, "bundle/manifest.toml")
    return caught.value


def changed(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new, 1)


def test_a_valid_manifest_says_what_was_written() -> None:
    manifest = loads(VALID)
    assert [tier.name for tier in manifest.tiers] == ["watch", "hub"]
    assert manifest.inputs[0].shape == ("batch", 1, 3600)
    assert (manifest.axes["batch"].min, manifest.axes["batch"].max) == (1, 64)
    assert manifest.lifecycle == Lifecycle(
        trained=dt.date(2026, 11, 21),
        dataset="MIT-BIH Arrhythmia Database, DS1",
        dataset_sha256=DATASET,
        compression="static int8",
    )
    assert [(tier.name, variant.name) for tier, variant in manifest.variants()] == [
        ("watch", "int8"),
        ("hub", "fp32"),
    ]
    assert manifest.tier("phone") is None


def test_what_is_written_reads_back_equal() -> None:
    manifest = loads(VALID)
    assert loads(dumps(manifest)) == manifest


@given(
    low=st.floats(allow_nan=False, allow_infinity=False, max_value=1e9),
    summary=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=1000),
    max_extent=st.integers(1, 2**31 - 1),
)
def test_any_figure_and_any_text_survive_the_round_trip(low: float, summary: str, max_extent: int) -> None:
    tables = msgspec.to_builtins(loads(VALID), builtin_types=(dt.date,))
    tables["summary"] = summary
    tables["axes"]["batch"]["max"] = max_extent
    tables["tiers"][0]["escalation"]["low"] = low
    manifest = msgspec.convert(tables, Manifest)
    assert loads(dumps(manifest)) == manifest


@pytest.mark.parametrize(
    ("old", "new", "problem", "hint"),
    [
        ("dtype =", "dytpe =", "unknown key 'dytpe' in inputs[0].", "Did you mean 'dtype'?"),
        ("privacy =", "privcy =", "unknown key 'privcy'.", "Did you mean 'privacy'?"),
        (
            "missed =",
            "mised =",
            "unknown key 'mised' in tiers[0].escalation.bound.",
            "Did you mean 'missed'?",
        ),
        ("max = 64", "most = 64", "unknown key 'most' in axes.batch.", "Known: max, min."),
        (
            "[[tiers.variants.costs]]",
            "[[tiers.variants.csts]]",
            "unknown key 'csts' in tiers[0].variants[0].",
            "Did you mean 'costs'?",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_likely_one(
    old: str, new: str, problem: str, hint: str
) -> None:
    error = refused(changed(old, new))
    assert (error.problem, error.hint, error.line) == (problem, hint, line_of_change(old, new))
    assert str(error) == f"bundle/manifest.toml:{error.line}: {problem} {hint}"


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('dtype = "float32"', 'dtype = "flaot32"', "Did you mean 'float32'?"),
        ('name = "hub"', 'name = "hubb"', "Did you mean 'hub'?"),
        ('privacy = "household"', 'privacy = "househld"', "Did you mean 'household'?"),
        ('precision = "int8"', 'precision = "int88"', "Did you mean 'int8'?"),
        (
            'dtype = "float32"',
            'dtype = "text"',
            "Known: bool, float16, float32, float64, int16, int32, int64, int8, ",
        ),
        ("schema = 1", "schema = 2", "Known: 1."),
    ],
)
def test_an_unknown_value_is_refused_with_its_line_and_the_likely_one(old: str, new: str, hint: str) -> None:
    error = refused(changed(old, new))
    assert error.hint.startswith(hint)
    assert error.line == line_of_change(old, new)


def test_a_missing_key_points_at_the_table_that_lacks_it() -> None:
    error = refused(changed('precision = "fp32"\n', ""))
    assert error.problem == "key 'precision' is missing in tiers[1].variants[0]."
    assert error.line == line_of_change('[[tiers.variants]]\nname = "fp32"', "")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("size_bytes = 20", "size_bytes = 0", "tiers[0].variants[0].size_bytes: expected `int` >= 1."),
        ("macs = 1500000", 'macs = "many"', "tiers[0].variants[0].macs: expected `int`, got `str`."),
        (
            "auroc = 0.96",
            'auroc = "high"',
            "tiers[0].variants[0].accuracy.auroc: expected `float`, got `str`.",
        ),
        ("max = 64", "max = 0", "axes.batch.max: expected `int` >= 1."),
        ("max = 64", "max = 64\nmin = 65", "min = 65 is larger than max = 64."),
        ("auroc = 0.96", "auroc = nan", "auroc = nan is no measurement."),
        ("low = 0.05", "low = nan", "low = nan is no threshold."),
        ("low = 0.05", "low = 0.05\nhigh = 0.05", "low = 0.05 must lie below high = 0.05."),
        ('score = "anomaly"', 'score = "anomly"', "There is no output 'anomly'."),
        ('output = "anomaly"', 'output = "anomly"', "There is no output 'anomly'."),
        ("at_least = 0.5", "at_least = inf", "at_least = inf is no threshold."),
        (
            'shape = ["batch", 1, 3600]',
            'shape = ["bach", 1]',
            "Tensor 'ecg' names axis 'bach', which [axes] lacks.",
        ),
        ('name = "hub"', 'name = "watch"', "Tier 'watch' is there twice."),
        ('file = "artifacts/hub.onnx"', 'file = "../hub.onnx"', "File '../hub.onnx' leaves the bundle."),
        (
            'file = "artifacts/hub.onnx"',
            'file = "/hub.onnx"',
            "File '/hub.onnx' is not a plain relative path.",
        ),
    ],
)
def test_a_wrong_figure_or_a_broken_rule_names_its_line(old: str, new: str, problem: str) -> None:
    error = refused(changed(old, new))
    assert (error.problem, error.line) == (problem, line_of_change(old, new))


def test_an_artifact_that_is_no_sha256_is_refused() -> None:
    error = refused(changed(sha256(WATCH_MODEL), "1234"))
    assert error.problem.startswith("tiers[0].variants[0].artifact: ")


def test_tiers_run_from_weak_to_strong() -> None:
    error = refused(changed('name = "watch"', 'name = "upstream"'))
    assert error.problem == "Tier 'hub' comes after the stronger 'upstream'."


def test_the_last_tier_escalates_to_nobody() -> None:
    tables = msgspec.to_builtins(loads(VALID), builtin_types=(dt.date,))
    tables["tiers"] = tables["tiers"][:1]
    error = refused(dumps(msgspec.convert(tables, Manifest)))
    assert error.problem == "The last tier, 'watch', has nobody to escalate to."


def test_a_score_must_be_a_float() -> None:
    error = refused(changed('name = "anomaly"\ndtype = "float32"', 'name = "anomaly"\ndtype = "int64"'))
    assert error.problem == "Output 'anomaly' is int64; a threshold needs a float."


def test_a_changed_artifact_voids_the_calibration() -> None:
    assert loads(VALID).calibrated
    retrained = loads(changed(f'artifact = "{sha256(WATCH_MODEL)}"', f'artifact = "{sha256(b"other")}"'))
    assert not retrained.calibrated
    watch = retrained.tiers[0]
    assert not watch.calibrated_for(watch.variants[0])


@pytest.mark.parametrize(
    ("low", "high", "score", "escalates"),
    [
        (0.1, None, 0.1, True),
        (0.1, None, 0.09, False),
        (0.1, None, 1.0, True),
        (0.1, 0.9, 0.9, False),
        (0.1, 0.9, 0.89, True),
        (0.1, 0.9, float("nan"), True),
        (0.1, None, float("nan"), True),
    ],
)
def test_a_score_in_the_half_open_band_escalates_and_so_does_nan(
    low: float, high: float | None, score: float, escalates: bool
) -> None:
    escalation = loads(VALID).tiers[0].escalation
    assert escalation is not None
    assert msgspec.structs.replace(escalation, low=low, high=high).escalates(score) is escalates


def test_what_is_not_toml_names_the_line() -> None:
    error = refused(changed('task = "anomaly-detection"', "task = "))
    assert error.line == line_of_change("task = ", "")
    assert error.problem.startswith("is not TOML: ")


@given(st.text())
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    with pytest.raises(ManifestError):
        loads(text)


@given(st.sampled_from(VALID.splitlines()), st.text(max_size=40))
def test_any_damaged_line_is_a_manifest_or_a_manifest_error(line: str, other: str) -> None:
    try:
        loads(VALID.replace(line, other, 1))
    except ManifestError as error:
        assert error.problem  # noqa: PT017 - either outcome is right; any other exception is not.


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" + ".".join(["a"] * 500_000) + "]", id="a table of half a million parts"),
        pytest.param(" . ".join(['"a"'] * 200_000) + " = 1", id="a key of quoted parts"),
        pytest.param('x = {y = """z"""", ' + ".".join(["a"] * 500_000) + " = 1}", id="a key behind four quotes"),
        pytest.param("x = [\n[" + " " * 500_000 + "1,\n2]]", id="a line that may be a header"),
        pytest.param("x = " + "[" * 500_000, id="lists in lists"),
        pytest.param("x = " + "1" * 500_000, id="a number of half a million digits"),
        pytest.param("x" * 500_000 + " = 1", id="a key of half a million letters"),
    ],
)
def test_a_strangers_text_costs_no_more_than_its_length_and_is_not_repeated_in_full(text: str) -> None:
    assert len(str(refused(text))) < 1_500


def test_dots_in_quotes_make_no_key_deep() -> None:
    summary = 'summary = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t"'
    said = changed('summary = "Says whether ten seconds of one lead hold an ectopic beat"', summary)
    assert loads(said).summary == "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t"


def test_a_file_that_is_not_there_or_not_text_is_a_manifest_error(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"there is no such file or folder\. A bundle is a folder that holds a manifest\.toml"
    ):
        load(tmp_path / "manifest.toml")
    (tmp_path / "manifest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ManifestError, match="not UTF-8"):
        load(tmp_path / "manifest.toml")


def test_all_mistakes_are_told_at_once_each_with_its_line() -> None:
    text = VALID.replace("macs = 1500000", 'macs = "many"').replace("privacy =", "privcy =")
    text = text.replace('precision = "fp32"\n', "").replace('["batch", 1, 3600]', '["batch", 0, 3600]')
    assert [(error.line, error.problem) for error in mistakes(text)] == [
        (7, "unknown key 'privcy'."),
        (22, "inputs[0].shape[1]: expected `int` >= 1."),
        (42, "tiers[0].variants[0].macs: expected `int`, got `str`."),
        (77, "key 'precision' is missing in tiers[1].variants[0]."),
        (None, "key 'privacy' is missing."),
    ]


def test_all_broken_rules_are_told_at_once() -> None:
    text = (
        changed("auroc = 0.96", "auroc = nan")
        .replace("low = 0.05", "low = inf")
        .replace("p50_ms = 0.2", "p50_ms = inf")
    )
    assert [error.problem for error in mistakes(text)] == [
        "auroc = nan is no measurement.",
        "p50_ms = inf is no measurement.",
        "low = inf is no threshold.",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("privacy =", '"\\u001B[2Jprivacy" ='),
        ('dtype = "float32"', 'dtype = "\\u001B[2J"'),
        ('task = "anomaly-detection"', 'task = "\\u009B2J"'),
        ("[axes.batch]", '[axes."\\u001B[2J"]'),
    ],
)
def test_no_mistake_is_told_in_words_that_a_terminal_obeys(old: str, new: str) -> None:
    for error in mistakes(changed(old, new)):
        assert all(character.isprintable() for character in str(error))
    assert mistakes(changed(old, new)) != []


def test_a_valid_manifest_has_no_mistakes() -> None:
    assert mistakes(VALID) == []
