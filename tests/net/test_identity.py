"""An identity is made once, kept safe, and used by one daemon at a time."""

import os
import ssl
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meshd.errors import IdentityInUse, SetupError
from meshd.net import anchor
from meshd.net.identity import CERTIFICATE_FILE, INCARNATION_FILE, SECRET_FILE, Identity


def test_the_node_id_is_the_fingerprint_of_the_certificate_and_stays(tmp_path: Path) -> None:
    with Identity.load_or_create(tmp_path) as first:
        der = ssl.PEM_cert_to_DER_cert((tmp_path / CERTIFICATE_FILE).read_text())
        assert first.node_id == sha256(der).hexdigest()
    with Identity.load_or_create(tmp_path) as again:
        assert again.node_id == first.node_id


def test_only_the_user_can_read_the_private_key(tmp_path: Path) -> None:
    with Identity.load_or_create(tmp_path / "state"):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == {SECRET_FILE: 0o600, CERTIFICATE_FILE: 0o644, "lock": 0o600, INCARNATION_FILE: 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_second_daemon_on_the_same_directory_is_told_the_process_id(tmp_path: Path) -> None:
    with (
        Identity.load_or_create(tmp_path),
        pytest.raises(IdentityInUse, match=f"process id {os.getpid()} already uses .*Stop it"),
    ):
        Identity.load_or_create(tmp_path)


def test_the_lock_is_gone_when_its_holder_is(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from meshd.net.identity import Identity; "
        "Identity.load_or_create(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == -9
    Identity.load_or_create(tmp_path).release()


def test_every_start_has_a_larger_incarnation_even_when_the_clock_went_back(tmp_path: Path) -> None:
    incarnations = []
    for now_s in (1000.0, 2000.0, 500.0):
        with Identity.load_or_create(tmp_path, clock=lambda now_s=now_s: now_s) as identity:  # type: ignore[misc]
            incarnations.append(identity.incarnation)
    assert incarnations == [1_000_000, 2_000_000, 2_000_001]


def test_a_damaged_incarnation_file_does_not_keep_a_node_from_starting(tmp_path: Path) -> None:
    Identity.load_or_create(tmp_path).release()
    (tmp_path / INCARNATION_FILE).write_bytes(b"\xff\x00")
    with Identity.load_or_create(tmp_path, clock=lambda: 7.0) as identity:
        assert identity.incarnation == 7000


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe"], ids=["empty", "nonsense", "binary"])
def test_damaged_key_files_say_what_to_do(tmp_path: Path, content: bytes) -> None:
    Identity.load_or_create(tmp_path).release()
    (tmp_path / SECRET_FILE).write_bytes(content)
    with pytest.raises(SetupError, match=r"is damaged: .* Restore it from a backup, or remove it"):
        Identity.load_or_create(tmp_path)


@pytest.mark.parametrize("name", [SECRET_FILE, INCARNATION_FILE])
def test_a_pipe_in_the_place_of_a_file_ends_the_start_with_a_reason(tmp_path: Path, name: str) -> None:
    Identity.load_or_create(tmp_path).release()
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name, 0o600)
    with pytest.raises(SetupError, match="It is a pipe or a device, and no file"):
        Identity.load_or_create(tmp_path)


def test_a_key_that_does_not_belong_to_the_certificate_is_noticed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Identity.load_or_create(tmp_path / name).release()
    one, two = ((tmp_path / name / SECRET_FILE).read_text() for name in ("one", "two"))
    mixed = one[: one.index("-----BEGIN PRIVATE")] + two[two.index("-----BEGIN PRIVATE") :]
    (tmp_path / "one" / SECRET_FILE).write_text(mixed)
    with pytest.raises(SetupError, match="is damaged"):
        Identity.load_or_create(tmp_path / "one")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Identity.load_or_create(tmp_path).release()
    (tmp_path / SECRET_FILE).chmod(0o644)
    with pytest.raises(SetupError, match="Run: chmod 600"):
        Identity.load_or_create(tmp_path)


def test_a_directory_that_cannot_be_made_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be used"):
        Identity.load_or_create(tmp_path / "file" / "state")


def test_a_directory_that_takes_no_files_ends_the_start_with_a_reason_and_is_free_again(tmp_path: Path) -> None:
    (tmp_path / CERTIFICATE_FILE).mkdir()
    for _ in range(2):
        with pytest.raises(SetupError, match=r"cannot be used: .*identity\.crt.* Look at its disk"):
            Identity.load_or_create(tmp_path)


def test_cryptography_is_loaded_by_no_node_even_on_its_first_start(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from meshd.net.identity import Identity; "
        "Identity.load_or_create(Path(sys.argv[1])).release(); assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "new"], check=True)
    assert (tmp_path / "new" / SECRET_FILE).exists()


def test_a_key_that_cannot_be_made_is_a_setup_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-interpreter"))
    with pytest.raises(SetupError, match=r"no key could be made .* Try: .*no-interpreter -P -m meshd\.net\.key_pair"):
        Identity.load_or_create(tmp_path / "state")


def test_the_anchor_is_the_authority_that_anybody_can_be() -> None:
    certificate = x509.load_pem_x509_certificate(anchor.CERTIFICATE.encode())
    anybody = ec.derive_private_key(anchor.PRIVATE_VALUE, ec.SECP256R1()).public_key()
    assert certificate.public_key() == anybody
    certificate.verify_directly_issued_by(certificate)
