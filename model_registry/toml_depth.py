"""Whether a TOML text has keys of so many parts that reading it would take for ever.

For a key of n dotted parts tomllib takes time, and this package memory, that grow with the square of n: 32 kB took five
seconds and a gigabyte. So a text that may be a stranger's is looked through first, in time that grows with its length.
"""

import re

DEEPEST_KEY = 16
"""Parts of one key; the deepest that a manifest has is `tiers.escalation.bound.artifact`."""

# Each match starts where the last one ended, and what repeats gives nothing back: no text is read over and over.
# What is taken for a string must be one for tomllib too, or keys could hide in it; hence the quotes more at its end.
_STRING, _LITERAL, _BARE = r'"(?:\\[^\n]|[^"\\\n])*+"', r"'[^'\n]*+'", r"[A-Za-z0-9_-]++"
_TOKEN = re.compile(
    rf"""
    \"{{3}} (?: \\. | [^\\] )*? (?: "{{3,5}} | \Z )
    | '{{3}} .*? (?: '{{3,5}} | \Z )
    | (?P<deep> (?: (?: {_BARE} | {_STRING} | {_LITERAL} ) [ \t]*+ \. [ \t]*+ ){{{DEEPEST_KEY}}} )
    | {_STRING}? | {_LITERAL}? | {_BARE}
    | \#[^\n]*+
    | [^"'\#A-Za-z0-9_-]++
    """,
    re.VERBOSE | re.DOTALL,
)


def nests_too_deeply(text: str) -> bool:
    """Tell whether a key or a table's name has more than :data:`DEEPEST_KEY` parts."""
    return any(token["deep"] for token in _TOKEN.finditer(text))
