"""Which line of a TOML text holds a key; tomllib does not tell."""

import re
from collections.abc import Iterator

from model_registry.flaw import KeyPath

_HEADER = re.compile(r"""^\s*(?P<open>\[\[?)(?P<name>[\w.\s"'-]+)\]\]?\s*(?:#.*)?$""")
_KEY = re.compile(r"""^\s*(?P<name>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_KEY_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, path: KeyPath) -> int | None:
    """Return the line (from 1) of the key, else of the innermost table around it, in a valid TOML text."""
    places = dict(_places(text))
    for length in range(len(path), 0, -1):
        if line := places.get(path[:length]):
            return line
    return None


def _places(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Yield the path and line of each table header and each key outside multi-line strings, last one first.

    The first mention of a path is the one that counts, so it comes last.
    """
    found: list[tuple[KeyPath, int]] = []
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in _lines_outside_strings(text):
        if header := _HEADER.match(line):
            table = _open_table(_parts(header["name"]), counts, is_array=header["open"] == "[[")
            found += [(table[:length], number) for length in range(1, len(table) + 1)]
        elif key := _KEY.match(line):
            found.append(((*table, *_parts(key["name"])), number))
    return reversed(found)


def _open_table(parts: KeyPath, counts: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    """Return the full path that a header opens: an array of tables on the way means its latest element."""
    path: KeyPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        path = (*path, counts[path] - 1) if path in counts else path
    path = (*path, parts[-1])
    if is_array:
        counts[path] = counts.get(path, 0) + 1
        path = (*path, counts[path] - 1)
    return path


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(dotted))


def _lines_outside_strings(text: str) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in enumerate(text.split("\n"), start=1):
        if not inside:
            yield number, line
        if (line.count('"""') + line.count("'''")) % 2:
            inside = not inside
