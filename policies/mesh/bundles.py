"""What each daemon of a mesh is given to host: the heart windows' model as it ships, and stand-ins sized for it.

All three know the same stand-ins by the same hashes; a node's own manifest names the file that is sized for its device
first, which is the one that it then hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from meshd.core.node import DeviceClass
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.extra import needing
from model_registry.manifest import Manifest
from model_registry.store.bundled import bundled_models
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, Variant
from policies.mesh.question import HOUSEHOLD, MODEL
from policies.mesh.stand_in import OUTPUT, StandIn

_ANSWER_ELEMENT_BYTES = 4


def write_bundles(stand_ins: Iterable[StandIn], folder: Path) -> None:
    """Write a directory of models for each node, called after its class; they take their seconds on this machine.

    Raises:
        ExtraMissing: onnx is not installed.
    """
    with needing("train", "A stand-in"):
        from policies.mesh.ballast import ballast, seconds_of_a_trip, trips  # noqa: PLC0415 - an extra
    trip_s = seconds_of_a_trip()
    for name in HOUSEHOLD:
        (folder / name.value).mkdir(parents=True)
        (folder / name.value / MODEL).symlink_to(bundled_models()[MODEL])
    for stand_in in stand_ins:
        contents = {
            name: ballast(stand_in.tensor, _n_answers(stand_in), trips(stand_in, seconds, trip_s))
            for name, seconds in stand_in.seconds.items()
        }
        for name in HOUSEHOLD:
            _write(stand_in, contents, name, folder / name.value / stand_in.model)


def _write(stand_in: StandIn, contents: Mapping[DeviceClass, bytes], own: DeviceClass, bundle: Path) -> None:
    bundle.mkdir()
    for name, content in contents.items():
        (bundle / _file(name)).write_bytes(content)
    (bundle / MANIFEST).write_text(manifests.dumps(_manifest(stand_in, contents, own)), encoding="utf-8")


def _manifest(stand_in: StandIn, contents: Mapping[DeviceClass, bytes], own: DeviceClass) -> Manifest:
    own_first = sorted(contents, key=lambda name: name is not own)
    answer = Tensor(name=OUTPUT, dtype="float32", shape=("batch", _n_answers(stand_in)))
    variants = tuple(_variant(stand_in, name, contents[name]) for name in own_first)
    return Manifest(
        schema=1,
        name=stand_in.model,
        version="1.0.0",
        summary="Takes as long as another model would and says nothing.",
        license="Apache-2.0",
        task="stand-in",
        privacy="household",
        unsigned=True,
        axes={"batch": Axis(max=stand_in.max_items)},
        inputs=(stand_in.tensor,),
        tiers=(Tier(name=stand_in.tier.value, outputs=(answer,), variants=variants),),
    )


def _variant(stand_in: StandIn, name: DeviceClass, content: bytes) -> Variant:
    return Variant(
        name=name.value,
        precision="fp32",
        file=_file(name),
        artifact=sha256(content).hexdigest(),
        size_bytes=len(content),
        macs=stand_in.macs,
        accuracy={"balanced_accuracy": stand_in.accuracy},
    )


def _file(name: DeviceClass) -> str:
    return f"{name}.onnx"


def _n_answers(stand_in: StandIn) -> int:
    return max(1, stand_in.result_bytes // _ANSWER_ELEMENT_BYTES)
