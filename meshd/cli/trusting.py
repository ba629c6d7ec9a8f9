"""``meshd id`` and ``meshd trust``: pair two devices by hand."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.options import ConfigOption, JsonOption
from meshd.core.node import DeviceClass
from meshd.errors import ConfigInvalid

if TYPE_CHECKING:
    from meshd.net.trust import TrustStore

app = typer.Typer(help="Decide which other nodes are let in.", no_args_is_help=True)


def identify(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print this node's fingerprint, which the other devices have to trust."""
    from meshd.cli.output import progress, show_json
    from meshd.config import load

    loaded = load(config).config
    certificate = _own_certificate(loaded.node.state_dir)
    fingerprint = _fingerprint_in(certificate)
    if json:
        show_json(
            {
                "node_id": fingerprint,
                "name": loaded.node.name,
                "device_class": loaded.node.device_class,
                "certificate": certificate,
            }
        )
        return
    print(fingerprint)
    progress(f"Certificate: {certificate}\nOn the other device: meshd trust add {fingerprint}")


@app.command()
def add(
    peer: Annotated[
        str,
        typer.Argument(
            metavar="FINGERPRINT|FILE", help="What `meshd id` printed there, or a copy of its identity.crt."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="What you call that device.")] = "",
    device_class: Annotated[
        DeviceClass | None,
        typer.Option(
            "--class",
            help="What it is; one that says otherwise is refused. Give it for an upstream: privacy rests on it.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Trust a device. A running daemon notices by itself."""
    fingerprint = _fingerprint_in(Path(peer)) if Path(peer).is_file() else peer.lower()
    if fingerprint == _own_fingerprint(config):
        raise ConfigInvalid(
            "that is this device's own fingerprint.", hint="Give the other device's: run `meshd id` there."
        )
    _trust_store(config).pin(fingerprint, name=name, device_class=device_class)
    print(fingerprint)


@app.command("list")
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the devices that are trusted."""
    from meshd.cli.output import show, show_json
    from meshd.cli.view.trust_view import trust_view

    pins = _trust_store(config).pins
    if json:
        show_json(
            [{"node_id": node_id, "name": pin.name, "device_class": pin.device_class} for node_id, pin in pins.items()]
        )
    else:
        show(trust_view(pins))


@app.command()
def remove(
    peer: Annotated[str, typer.Argument(help="Its name, or the first digits of its fingerprint.")],
    config: ConfigOption = None,
) -> None:
    """Trust a device no longer. A running daemon notices by itself and closes its session."""
    store = _trust_store(config)
    found = [node_id for node_id, pin in store.pins.items() if pin.name == peer or node_id.startswith(peer)]
    if len(found) != 1:
        told = "no trusted device is called" if not found else "several trusted devices are called"
        raise ConfigInvalid(f"{told} {peer!r}.", hint="`meshd trust list` shows names and fingerprints.")
    if not store.unpin(found[0]):
        raise ConfigInvalid(
            f"{peer!r} is trusted by the configuration.", hint="Remove it there, under [trust] or [peers]."
        )
    print(found[0])


def _trust_store(config: Path | None) -> TrustStore:
    from meshd.config import load
    from meshd.net.trust import Pin, TrustStore

    loaded = load(config).config
    return TrustStore(loaded.trust_path, [Pin(fingerprint=fingerprint) for fingerprint in loaded.pinned])


def _own_certificate(state_dir: Path) -> Path:
    """Return the certificate's file; a node that has never run gets its identity now."""
    from meshd.net.identity import CERTIFICATE_FILE, Identity

    certificate = state_dir / CERTIFICATE_FILE
    if not certificate.exists():
        Identity.load_or_create(state_dir).release()
    return certificate


def _own_fingerprint(config: Path | None) -> str | None:
    """Return this node's fingerprint; nothing before it has one."""
    from meshd.config import load
    from meshd.net.identity import CERTIFICATE_FILE

    certificate = load(config).config.node.state_dir / CERTIFICATE_FILE
    return _fingerprint_in(certificate) if certificate.exists() else None


def _fingerprint_in(certificate: Path) -> str:
    from meshd.net.identity import fingerprint

    try:
        return fingerprint(ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii")))
    except (OSError, ValueError) as error:
        hint = "Copy identity.crt, which `meshd id` names, from the other device; or give its fingerprint."
        raise ConfigInvalid(f"{certificate} is no certificate: {error}.", hint=hint) from error
