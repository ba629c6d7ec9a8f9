"""A complete manifest that tests bend: small enough to read, with every kind of table in it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from model_registry.manifest import Manifest

WATCH_MODEL = b"weights of the watch"
HUB_MODEL = b"weights of the hub, more of them"
DATASET = hashlib.sha256(b"recordings").hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


VALID = f"""\
schema = 1
name = "ecg-anomaly"
version = "1.0.0"
summary = "Says whether ten seconds of one lead hold an ectopic beat"
license = "Apache-2.0"
task = "anomaly-detection"
privacy = "household"
unsigned = true

[lifecycle]
trained = 2026-11-21
dataset = "MIT-BIH Arrhythmia Database, DS1"
dataset_sha256 = "{DATASET}"
compression = "static int8"

[axes.batch]
max = 64

[[inputs]]
name = "ecg"
dtype = "float32"
shape = ["batch", 1, 3600]
unit = "mV"
description = "Ten seconds of lead MLII at 360 Hz"

# The watch only screens.
[[tiers]]
name = "watch"

[[tiers.outputs]]
name = "anomaly"
dtype = "float32"
shape = ["batch"]
description = "Probability of an ectopic beat"

[[tiers.variants]]
name = "int8"
precision = "int8"
file = "artifacts/watch.onnx"
artifact = "{sha256(WATCH_MODEL)}"
size_bytes = {len(WATCH_MODEL)}
macs = 1500000

[tiers.variants.accuracy]
auroc = 0.96
balanced_accuracy = 0.9

[[tiers.variants.costs]]
device = "x86-64, one core"
p50_ms = 0.2
p99_ms = 0.4
source = "meshd bench"

[tiers.escalation]
score = "anomaly"
low = 0.05
expected_rate = 0.3

[tiers.escalation.bound]
missed = 0.05
confidence = 0.95
method = "Clopper-Pearson"
measured_missed = 0.02
positives = 400
dataset_sha256 = "{DATASET}"
artifact = "{sha256(WATCH_MODEL)}"
records = ["101", "106"]

[[tiers]]
name = "hub"

[[tiers.outputs]]
name = "anomaly"
dtype = "float32"
shape = ["batch"]

[[tiers.variants]]
name = "fp32"
precision = "fp32"
file = "artifacts/hub.onnx"
artifact = "{sha256(HUB_MODEL)}"
size_bytes = {len(HUB_MODEL)}
macs = 90000000
hardware = ["cpu", "cuda"]

[tiers.alarm]
output = "anomaly"
at_least = 0.5
"""


def write_bundle(folder: Path, manifest: str = VALID) -> Path:
    """Lay a bundle whose files match :data:`VALID`."""
    (folder / "artifacts").mkdir(parents=True)
    (folder / "manifest.toml").write_text(manifest)
    (folder / "artifacts" / "watch.onnx").write_bytes(WATCH_MODEL)
    (folder / "artifacts" / "hub.onnx").write_bytes(HUB_MODEL)
    return folder


def keys_at_their_default(manifest: Manifest) -> set[str]:
    """Name the keys, as Table.key, that say no more than their default wherever their table stands."""
    said: set[str] = set()
    seen: set[str] = set()
    for table in tables_of(manifest):
        for field in msgspec.structs.fields(table):
            key = f"{type(table).__name__}.{field.name}"
            seen.add(key)
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            said |= {key} if getattr(table, field.name) != default else set()
    return seen - said


def tables_of(value: object) -> Iterator[msgspec.Struct]:
    """Yield every struct in a value, itself included."""
    match value:
        case msgspec.Struct():
            yield value
            for name in value.__struct_fields__:
                yield from tables_of(getattr(value, name))
        case dict():
            for item in value.values():
                yield from tables_of(item)
        case tuple():
            for item in value:
                yield from tables_of(item)
