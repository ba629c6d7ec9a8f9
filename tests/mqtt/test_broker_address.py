import os
from pathlib import Path

import pytest

from meshd.config.config import Mqtt
from meshd.errors import ConfigInvalid
from meshd.mqtt.broker_address import BrokerAddress


def test_without_a_url_there_is_no_broker() -> None:
    assert BrokerAddress.of(Mqtt()) is None


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("mqtt://127.0.0.1:1999", "127.0.0.1", 1999),
        ("mqtt://hub.local", "hub.local", 1883),
        ("mqtt://[::1]:1884", "::1", 1884),
    ],
)
def test_an_address_is_host_and_port_and_the_registered_port_by_default(url: str, host: str, port: int) -> None:
    assert BrokerAddress.of(Mqtt(url=url)) == BrokerAddress(host=host, port=port)


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\r\nnot this\n")
    address = BrokerAddress.of(Mqtt(url="mqtt://hub", username="watch", password_file=secret))
    assert address == BrokerAddress(host="hub", port=1883, username="watch", password="s3cret")


def test_mqtts_means_tls_that_checks_the_brokers_name() -> None:
    address = BrokerAddress.of(Mqtt(url="mqtts://hub.local"))
    assert address is not None
    assert address.tls is not None
    assert address.port == 8883
    assert address.tls.check_hostname


@pytest.mark.parametrize("url", ["mqtt://hub:port", "mqtt://:1883", "http://hub"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"mqtt\.url"):
        BrokerAddress.of(Mqtt(url=url))


@pytest.mark.parametrize("key", ["ca_file", "password_file"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, key: str) -> None:
    config = Mqtt(url="mqtts://hub", **{key: tmp_path / "missing"})  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match=r"a file of \[mqtt\] cannot be used"):
        BrokerAddress.of(config)


def test_a_pipe_to_which_nobody_writes_and_letters_that_are_none_are_no_password(tmp_path: Path) -> None:
    pipe, garbled = tmp_path / "pipe", tmp_path / "garbled"
    os.mkfifo(pipe)
    garbled.write_bytes(b"\xff\xfe")
    for secret in (pipe, garbled):
        with pytest.raises(ConfigInvalid, match=r"a file of \[mqtt\] cannot be used"):
            BrokerAddress.of(Mqtt(url="mqtt://hub", username="watch", password_file=secret))
