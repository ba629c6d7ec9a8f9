import re
from pathlib import Path

from meshd.config import load, parse

EXAMPLE = Path(__file__).parents[2] / "deploy" / "meshd.toml"


def test_the_example_is_a_valid_configuration() -> None:
    assert load(EXAMPLE).config.node.device_class == "hub"


def test_every_line_that_is_commented_out_is_valid_too() -> None:
    text = re.sub(r"^# (?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    config = parse(text, EXAMPLE).config
    assert (config.node.name, config.mqtt.username) == ("kitchen-hub", "kitchen-hub")
    assert config.mqtt.url == "mqtts://hub.local:8883"
