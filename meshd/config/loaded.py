"""A configuration with the place that each value came from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from meshd.config.config import Config, class_defaults
from meshd.config.conversion import Decoder, decoder, plain
from meshd.config.flaws import flaws_of_rules, flaws_of_types
from meshd.config.places import find_file
from meshd.core.node import DeviceClass
from meshd.errors import ConfigInvalid
from model_registry.flaw import Flaw
from model_registry.toml_lines import line_of

Tables = dict[str, dict[str, Any]]


class Setting(Struct, frozen=True, kw_only=True):
    """One key with the value in force."""

    key: str
    """``section.key``."""
    value: Any
    """As TOML or JSON writes it; none when unset."""
    origin: str
    """``default``, ``class watch``, or ``meshd.toml:12``."""


class Loaded(Struct, frozen=True, kw_only=True):
    """What :func:`load` found."""

    config: Config
    path: Path | None
    """The file that was read; none when there is none and the defaults count."""
    settings: tuple[Setting, ...]


def load(path: Path | None = None) -> Loaded:
    """Read the configuration file that is named, or the one found in the usual places, or none.

    Raises:
        ConfigInvalid: the file cannot be read, or something in it is wrong; the message lists all of it.

    """
    path = path or find_file()
    if path is None:
        return parse("", None)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        hint = "Name another file with --config, or unset $MESHD_CONFIG to use the defaults."
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path} is not UTF-8 text, which TOML must be.") from error
    return parse(text, path)


def parse(text: str, path: Path | None) -> Loaded:
    """Turn the text of a configuration file into settings; relative paths count from the file's folder.

    Raises:
        ConfigInvalid: something is wrong; the message lists all of it, with lines.

    """
    tables = _tables(text, path)
    decode = decoder(path.parent if path else Path.cwd())
    _refuse(flaws_of_types(tables, Config, decode), text, path)
    device_class = DeviceClass(tables.get("node", {}).get("device_class", Config().node.device_class))
    config = _convert(_laid_over(class_defaults(device_class), tables), decode)
    _refuse(flaws_of_rules(config), text, path)
    return Loaded(config=config, path=path, settings=tuple(_settings(config, tables, text, path)))


def _tables(text: str, path: Path | None) -> Tables:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "Mend that line; texts stand in quotes, tables as [name]."
        raise ConfigInvalid(f"{path} is not TOML: {error}.", hint=hint) from error
    except (ValueError, RecursionError) as error:  # Whole numbers of thousands of digits; brackets in brackets.
        hint = "No key takes such a value; `meshd config schema` describes every key."
        raise ConfigInvalid(f"{path} cannot be read: {error}.", hint=hint) from error


def _convert(tables: Tables, decode: Decoder) -> Config:
    return msgspec.convert(tables, Config, dec_hook=decode)


def _laid_over(below: Tables, above: Tables) -> Tables:
    return {name: below.get(name, {}) | above.get(name, {}) for name in [*below, *above]}


def _refuse(flaws: Iterator[Flaw], text: str, path: Path | None) -> None:
    found = [_sentence(flaw, text, path) for flaw in flaws]
    if found:
        count = "one mistake" if len(found) == 1 else f"{len(found)} mistakes"
        lines = "\n".join(f"  {sentence}" for sentence in found)
        hint = "\n`meshd config schema` describes every key."
        raise ConfigInvalid(f"the configuration has {count}:\n{lines}", hint=hint)


def _sentence(flaw: Flaw, text: str, path: Path | None) -> str:
    section = f"[{flaw.path[0]}] " if len(flaw.path) > 1 else ""
    return f"{_place(flaw.path, text, path)}: {section}{flaw.problem} {flaw.hint}".rstrip()


def _place(key: tuple[str | int, ...], text: str, path: Path | None) -> str:
    line = line_of(text, key)
    return f"{path or 'defaults'}:{line}" if line else str(path or "defaults")


def _settings(config: Config, tables: Mapping[str, Any], text: str, path: Path | None) -> Iterator[Setting]:
    from_class = class_defaults(config.node.device_class)
    for section in Config.__struct_fields__:
        for key in getattr(config, section).__struct_fields__:
            if key in tables.get(section, {}):
                origin = _place((section, key), text, Path(path.name) if path else None)
            elif key in from_class.get(section, {}):
                origin = f"class {config.node.device_class}"
            else:
                origin = "default"
            value = plain(getattr(getattr(config, section), key))
            yield Setting(key=f"{section}.{key}", value=value, origin=origin)
