"""Which artifacts give way when another one needs their room. Pure."""

from collections.abc import Iterable, Mapping

from model_registry.errors import StoreFull


def giving_way(
    sizes: Mapping[str, int], last_uses: Mapping[str, float], *, may_go: Iterable[str], over_bytes: int
) -> tuple[str, ...]:
    """Return the artifacts to remove so that `over_bytes` become free, the one unused for longest first.

    Raises:
        StoreFull: all that may go is not enough; then nothing should.

    """
    going: list[str] = []
    for sha256 in sorted(may_go, key=lambda sha256: (last_uses.get(sha256, 0.0), sha256)):
        if over_bytes <= 0:
            break
        going.append(sha256)
        over_bytes -= sizes[sha256]
    if over_bytes > 0:
        raise StoreFull(
            f"{over_bytes} bytes are lacking, and only pinned models and downloads that have begun are left.",
            hint="Raise models.disk_budget_bytes, or unpin a model.",
        )
    return tuple(going)
