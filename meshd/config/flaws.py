"""Everything that is wrong with a configuration, not only the first thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import msgspec
from msgspec import Struct

from meshd.config.allowed import allowed, choices, item_type
from meshd.config.config import Config
from meshd.config.conversion import Decoder
from meshd.config.peer_address import PeerAddress
from model_registry.flaw import Flaw, closest

_MOST = 1e18
"""Beyond it no node believes a figure of another's, and clients cannot read one."""

_LONGEST = 60
"""Of a value as it is quoted."""


def flaws_of_types(tables: Mapping[str, Any], form: type[Struct], decode: Decoder) -> Iterator[Flaw]:
    """Yield a flaw for every unknown key and every value that does not fit its key."""
    types = {field.name: field.type for field in msgspec.structs.fields(form)}
    for key, value in tables.items():
        if key not in types:
            yield Flaw((key,), f"unknown key '{key}'.", closest(key, types))
        elif is_section(types[key]):
            yield from _flaws_of_section(key, value, types[key], decode)
        else:
            yield from _flaws_of_value(key, value, types[key], decode)


def flaws_of_rules(config: Config) -> Iterator[Flaw]:
    """Yield a flaw for every value that has the right form and yet cannot be, often beside another."""
    yield from _flaws_of_peers(config.peers.static)
    times = config.scheduler
    if times.suspect_after_s <= times.heartbeat_interval_s:
        hint = f"Set it to three heartbeats, {3 * times.heartbeat_interval_s:g}."
        yield Flaw(("scheduler", "suspect_after_s"), "one late heartbeat would make every peer suspect.", hint)
    if times.dead_after_s <= times.suspect_after_s:
        hint = f"Set it above suspect_after_s, which is {times.suspect_after_s:g}."
        yield Flaw(("scheduler", "dead_after_s"), "a peer would be dead before it was suspect.", hint)
    if config.mqtt.embedded and config.mqtt.url is None:
        hint = 'Set url too, for example to "mqtt://127.0.0.1:1883".'
        yield Flaw(("mqtt", "embedded"), "the embedded broker has no address.", hint)
    if config.mqtt.password_file and not config.mqtt.username:
        yield Flaw(("mqtt", "password_file"), "a password without a username.", "Set username too.")


def _flaws_of_peers(peers: tuple[str, ...]) -> Iterator[Flaw]:
    for index, peer in enumerate(peers):
        try:
            PeerAddress.parse(peer)
        except ValueError as error:
            yield Flaw(("peers", "static", index), f"static cannot be {_spelled(peer)}.", f"{error}.")


def is_section(form: Any) -> bool:
    """Tell whether a key of this type is a table of keys."""
    return isinstance(form, type) and issubclass(form, Struct)


def _flaws_of_section(key: str, value: Any, form: type[Struct], decode: Decoder) -> Iterator[Flaw]:
    if isinstance(value, dict):
        yield from (flaw.below(key) for flaw in flaws_of_types(value, form, decode))
    else:
        yield Flaw((key,), f"'{key}' is a table of settings, not a value.", f"Write [{key}] above them.")


def _flaws_of_value(key: str, value: Any, form: Any, decode: Decoder) -> Iterator[Flaw]:
    element = item_type(form)
    if isinstance(value, list) and element is not None:
        for index, item in enumerate(value):
            yield from (flaw.below(key) for flaw in _flaw_of(index, key, item, element, decode))
    else:
        yield from _flaw_of(key, key, value, form, decode)


def _flaw_of(place: str | int, key: str, value: Any, form: Any, decode: Decoder) -> Iterator[Flaw]:
    if isinstance(value, int | float) and not abs(value) <= _MOST:
        problem = f"{key} cannot be {_spelled(value)}: numbers go from -{_MOST:g} to {_MOST:g}."
        yield Flaw((place,), problem, f"It takes {allowed(form)}.")
        return
    try:
        msgspec.convert(value, form, dec_hook=decode)
    except msgspec.ValidationError:
        from difflib import get_close_matches  # noqa: PLC0415 - a daemon that finds no flaw needs it not.

        near = get_close_matches(value, choices(form), n=1) if isinstance(value, str) else []
        suggestion = f'Did you mean "{near[0]}"? ' if near else ""
        yield Flaw((place,), f"{key} cannot be {_spelled(value)}.", f"{suggestion}It takes {allowed(form)}.")


def _spelled(value: Any) -> str:
    is_endless = isinstance(value, float) and not isfinite(value)
    spelled = str(value) if is_endless else msgspec.json.encode(value, enc_hook=str).decode()
    return spelled if len(spelled) <= _LONGEST else f"{spelled[:_LONGEST]}…"
