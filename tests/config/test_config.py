"""Every key has a default, every mistake is found at once and says what to do."""

import re
from pathlib import Path

import msgspec
import pytest

from meshd.config import Config, Loaded, PeerAddress, Setting, load, parse
from meshd.config.config import class_defaults
from meshd.config.document import json_schema
from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from meshd.errors import ConfigInvalid
from model_registry.device_class import device_class

FINGERPRINT = "ab" * 32


def _complaint(text: str) -> str:
    with pytest.raises(ConfigInvalid) as refusal:
        parse(text, Path("meshd.toml"))
    return refusal.value.message


def _mistakes(text: str) -> list[str]:
    return [line.strip() for line in _complaint(text).splitlines()[1:]]


def _setting(loaded: Loaded, key: str) -> Setting:
    return next(setting for setting in loaded.settings if setting.key == key)


def test_an_empty_file_gives_the_defaults() -> None:
    config = parse("", None).config
    assert config.scheduler == Config().scheduler
    assert (config.listen.port, config.node.device_class) == (47600, DeviceClass.HUB)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", "shipped"),
        ('policy = "least-expected-cost"', "least-expected-cost"),
        ('policy = "own/best.onnx"', "/etc/meshd/own/best.onnx"),
        ('policy = "/var/best.onnx"', "/var/best.onnx"),
    ],
)
def test_a_policy_is_named_by_a_word_or_by_a_file_whose_path_counts_from_the_configuration(
    text: str, policy: str
) -> None:
    loaded = parse(f"[scheduler]\n{text}", Path("/etc/meshd/meshd.toml"))
    assert loaded.config.scheduler.policy == policy
    assert _setting(loaded, "scheduler.policy").value == policy


def test_a_policy_that_is_no_word_and_no_file_of_one_is_a_mistake() -> None:
    takes = 'It takes "shipped", "least-expected-cost", or the path of an .onnx file in quotes.'
    assert _mistakes('[scheduler]\npolicy = "best"') == [f'meshd.toml:2: [scheduler] policy cannot be "best". {takes}']


def test_core_is_given_its_own_settings_and_no_policy() -> None:
    settings = parse("[scheduler]\nmax_queued = 7", None).config.scheduler.settings
    assert settings == Settings(max_queued=7)


def test_every_key_can_be_written_back_and_reads_the_same() -> None:
    loaded = parse("", None)
    tables: dict[str, dict[str, object]] = {}
    for setting in loaded.settings:
        section, key = setting.key.split(".")
        if setting.value is not None:
            tables.setdefault(section, {})[key] = setting.value
    again = parse(msgspec.toml.encode(tables).decode(), None)
    assert again.config == loaded.config


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    classes = "watch, phone, hub, upstream"
    text = '[node]\ndevice_class = "wach"\nslots = 0\n[lisen]\n[mqtt]\nembeded = true\n'
    assert _mistakes(text) == [
        f'meshd.toml:2: [node] device_class cannot be "wach". Did you mean "watch"? It takes one of {classes}.',
        "meshd.toml:3: [node] slots cannot be 0. It takes a whole number from 1 to 256.",
        "meshd.toml:4: unknown key 'lisen'. Did you mean 'listen'?",
        "meshd.toml:6: [mqtt] unknown key 'embeded'. Did you mean 'embedded'?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[listen]\nport = 70000", "port cannot be 70000. It takes a whole number from 0 to 65535."),
        ('[listen]\nport = "1"', 'port cannot be "1". It takes a whole number from 0 to 65535.'),
        ("[discovery]\nenabled = 1", "enabled cannot be 1. It takes true or false."),
        ("[energy]\nidle_watts = -1.0", "idle_watts cannot be -1.0. It takes a number, 0 or more."),
        ("[record]\nevents = 3", "events cannot be 3. It takes a path in quotes."),
        ('[models]\nhost = ["a:pone"]', 'host cannot be "a:pone". It takes a model\'s name, or name:tier'),
        ('[peers]\nstatic = ["a:1"]', 'static cannot be "a:1". It takes host:port#fingerprint'),
        ('[mqtt]\nurl = "broker"', 'url cannot be "broker". It takes mqtt://host:port'),
        (f'[peers]\nstatic = ["a:0#{FINGERPRINT}"]', "There is no port 0; ports are 1 to 65535."),
        ("listen = 3", "'listen' is a table of settings, not a value. Write [listen] above them."),
        ("[scheduler]\nmax_queued = 0", "max_queued cannot be 0. It takes a whole number, 1 or more."),
        ("[scheduler]\nbattery_floor = 3", "battery_floor cannot be 3. It takes a number from 0 to 1."),
        ("[scheduler]\nmax_wait_s = inf", "max_wait_s cannot be inf: numbers go from -1e+18 to 1e+18. It takes a"),
        ("[scheduler]\nmiss_price_joules = nan", "miss_price_joules cannot be nan: numbers go from -1e+18 to 1e+18."),
        (f"[scheduler]\nmax_nodes = {'1' * 400}", f"max_nodes cannot be {'1' * 60}…: numbers go from"),
        ("[scheduler]\nheartbeat_interval_s = 1e-9", "heartbeat_interval_s cannot be 1e-9. It takes a number, 0.01 or"),
        ("[energy]\nactive_watts = 1e-300", "active_watts cannot be 1e-300. It takes a number, 1e-09 or more."),
        ('[scheduler]\npolicy = "a\\u0000.onnx"', r'policy cannot be "a\u0000.onnx". It takes "shipped",'),
        ('[scheduler]\npolicy = "~nobody-here/a.onnx"', 'policy cannot be "~nobody-here/a.onnx". It takes "shipped",'),
        ('[node]\nstate_dir = "~nobody-here/a"', 'state_dir cannot be "~nobody-here/a". It takes a path in quotes.'),
        (f"[node]\nslots = {'1' * 5_000}", "meshd.toml cannot be read: Exceeds the limit"),
        (f"[node]\nslots = {'[' * 100_000}", "meshd.toml cannot be read: maximum recursion depth exceeded"),
        ("[shaping]\nrate_bps = 0", "rate_bps cannot be 0. It takes a number, 1000 or more"),
        ("[shaping.peers.hub]\nrate = 1", 'peers cannot be {"hub":{"rate":1}}. It takes a table for each peer'),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_the_key_takes(text: str, told: str) -> None:
    assert told in _complaint(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[scheduler]\nsuspect_after_s = 0.5", "meshd.toml:2: [scheduler] one late heartbeat would"),
        ("[scheduler]\n\ndead_after_s = 2", "meshd.toml:3: [scheduler] a peer would be dead before"),
        ("[mqtt]\nembedded = true", "meshd.toml:2: [mqtt] the embedded broker has no address"),
        ('[mqtt]\npassword_file = "p"', "meshd.toml:2: [mqtt] a password without a username"),
    ],
)
def test_values_that_contradict_each_other_are_refused(text: str, line: str) -> None:
    assert line in _complaint(text)


def test_what_is_not_toml_names_the_line() -> None:
    assert re.search(r"^meshd\.toml is not TOML: .*line 2", _complaint("[node]\nname = watch"))


def test_a_file_that_is_missing_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"absent\.toml cannot be read.*Name another file with --config"):
        load(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meshd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid, match="not UTF-8"):
        load(tmp_path / "meshd.toml")


def test_a_relative_path_counts_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "meshd.toml").write_text('[node]\nstate_dir = "state"\n')
    assert load(tmp_path / "meshd.toml").config.node.state_dir == tmp_path / "state"


def test_the_class_of_the_device_changes_defaults_but_never_what_is_written() -> None:
    watch = parse('[node]\ndevice_class = "watch"\n[scheduler]\nmax_queued = 7\n', None)
    assert watch.config.scheduler.max_queued == 7
    assert watch.config.mqtt.telemetry_interval_s == 60.0


@pytest.mark.parametrize("name", list(DeviceClass))
def test_the_defaults_of_every_class_are_valid(name: DeviceClass) -> None:
    loaded = parse(f'[node]\ndevice_class = "{name}"\n', None)
    for section, keys in class_defaults(name).items():
        assert [_setting(loaded, f"{section}.{key}").value for key in keys] == list(keys.values())


def test_each_setting_says_where_it_comes_from() -> None:
    loaded = parse('[node]\n\ndevice_class = "watch"\n', Path("/etc/meshd/meshd.toml"))
    assert [
        _setting(loaded, key) for key in ("node.device_class", "scheduler.max_queued", "listen.port", "mqtt.url")
    ] == [
        Setting(key="node.device_class", value="watch", origin="meshd.toml:3"),
        Setting(key="scheduler.max_queued", value=32, origin="class watch"),
        Setting(key="listen.port", value=47600, origin="default"),
        Setting(key="mqtt.url", value=None, origin="default"),
    ]


def test_a_devices_own_figures_replace_those_of_its_class() -> None:
    config = parse('[node]\ndevice_class = "phone"\n[energy]\nidle_watts = 0.25\n', None).config
    expected = msgspec.structs.replace(device_class("phone").power, idle_watts=0.25)
    assert config.power == expected


def test_secrets_lie_in_the_state_directory_unless_named() -> None:
    there = parse('[node]\nstate_dir = "/s"\n', None).config
    assert (there.token_path, there.trust_path) == (Path("/s/client.token"), Path("/s/trust.toml"))
    named = parse('[client]\ntoken_file = "/t"\n[trust]\nfile = "/p"\n', None).config
    assert (named.token_path, named.trust_path) == (Path("/t"), Path("/p"))


def test_a_peer_that_is_written_down_is_trusted() -> None:
    text = f'[peers]\nstatic = ["hub:1#{FINGERPRINT}"]\n[trust]\npinned = ["{"cd" * 32}"]\n'
    assert parse(text, None).config.pinned == ("cd" * 32, FINGERPRINT)


def test_the_configuration_that_is_deployed_is_valid() -> None:
    path = Path(__file__).parents[2] / "deploy" / "meshd.toml"
    assert load(path).config.log.format == "json"


@pytest.mark.parametrize(
    ("text", "host"), [(f"hub.local:47600#{FINGERPRINT}", "hub.local"), (f"[fe80::1]:47600#{FINGERPRINT}", "fe80::1")]
)
def test_a_peer_address_reads_back_as_it_was_written(text: str, host: str) -> None:
    address = PeerAddress.parse(text)
    assert (str(address), address) == (text, PeerAddress(host=host, port=47600, fingerprint=FINGERPRINT))


@pytest.mark.parametrize("text", ["", "hub", f"hub:0#{FINGERPRINT}", f"hub:70000#{FINGERPRINT}", "hub:1#AB", "a b:1#"])
def test_another_form_is_no_peer_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port#fingerprint|ports are 1 to 65535"):
        PeerAddress.parse(text)


def test_the_schema_describes_every_key_of_every_section() -> None:
    schema = json_schema()
    sections = {name.split("/")[-1] for name in re.findall(r"#/\$defs/\w+", repr(schema))}
    undescribed = [
        f"{section}.{key}"
        for section in sections - {"Config"}
        for key, property_ in schema["$defs"][section].get("properties", {}).items()
        if not property_.get("description")
    ]
    assert undescribed == []
    assert schema["$defs"]["Node"]["properties"]["slots"] == {
        "description": "Stages that run at once.",
        "type": "integer",
        "minimum": 1,
        "maximum": 256,
        "default": 1,
    }
