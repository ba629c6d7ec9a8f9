"""What a manifest's own rules find wrong, and where."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

KeyPath = tuple[str | int, ...]  # ("tiers", 0, "outputs", 1, "dtype")


class Flaw(NamedTuple):
    """One broken rule: where in the manifest, what is wrong, what to do."""

    path: KeyPath
    problem: str
    hint: str = ""

    def below(self, *parents: str | int) -> "Flaw":
        """Return the same flaw as seen from an outer table."""
        return self._replace(path=(*parents, *self.path))


def closest(word: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the known word most like `word`, or lists them all."""
    from difflib import get_close_matches  # noqa: PLC0415 - a daemon that finds no flaw needs it not.

    names = sorted(known)
    near = get_close_matches(word, names, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names)}."


def repeated(names: Iterable[str], *, what: str) -> Iterator[Flaw]:
    """Yield a flaw for every name that came before, at its own place in the list."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Flaw((index, "name"), f"{what} '{name}' is there twice.", "Give each a name of its own.")
        seen.add(name)
