"""Contents, bundles and bends of a store for tests."""

import random
from pathlib import Path

from model_registry.pieces import PieceMap
from model_registry.store import ModelStore
from tests.registry.manifests import HUB_MODEL, VALID, WATCH_MODEL, sha256, write_bundle

LARGE = random.Random(1).randbytes(3 * 4096 + 100)  # Four pieces, the last one short.


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(content: bytes) -> dict[int, bytes]:
    """Cut a content as its piece map says."""
    piece_map = PieceMap.of(content)
    extents = (piece_map.extent(index) for index in range(piece_map.count))
    return {index: content[start : start + length] for index, (start, length) in enumerate(extents)}


def download(store: ModelStore, content: bytes) -> None:
    """Bring an artifact in piece by piece."""
    with store.incoming(sha256(content), PieceMap.of(content)) as download:
        for index in download.missing():
            download.put(index, cut(content)[index])
        download.finish()


def damage(store: ModelStore, content: bytes, at: int = 0) -> None:
    (store.root / "artifacts" / sha256(content)).write_bytes(flipped(content, at))


def manifest_of(hub: bytes, *, version: str = "1.0.0") -> str:
    """Return the usual manifest with other weights for the hub."""
    swapped = VALID.replace(sha256(HUB_MODEL), sha256(hub)).replace(
        f"size_bytes = {len(HUB_MODEL)}", f"size_bytes = {len(hub)}"
    )
    return swapped.replace('version = "1.0.0"', f'version = "{version}"')


def bundle_of(folder: Path, hub: bytes, *, version: str = "1.0.0") -> Path:
    """Lay the usual bundle with other weights for the hub."""
    write_bundle(folder, manifest_of(hub, version=version))
    (folder / "artifacts" / "hub.onnx").write_bytes(hub)
    return folder


def visible(store: ModelStore) -> dict[str, bytes]:
    """Return all that lies in a store."""
    files = (path for path in sorted(store.root.rglob("*")) if path.is_file())
    return {str(path.relative_to(store.root)): path.read_bytes() for path in files}


__all__ = ["HUB_MODEL", "LARGE", "VALID", "WATCH_MODEL", "sha256", "write_bundle"]
