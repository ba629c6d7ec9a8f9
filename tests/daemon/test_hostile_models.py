"""A real daemon that is given every hostile model at once: it refuses each with its reason and serves all the while."""

import re

import numpy as np
import psutil
import pytest

from model_registry import manifest as manifests
from tests.daemon.processes import Device, Household, until
from tests.daemon.toys import CALM, MODEL, window
from tests.executor.graphs import manifest_of, mean_model
from tests.registry.admission.hostile import LIMITS, Hostile, corpus

pytestmark = pytest.mark.slow

# A file's size is held against the memory for models, which is large enough here for the largest of them.
HOSTILE = [hostile for hostile in corpus() if hostile.limit != "size"]
PATIENCE_S = 90.0
_SENTENCE = re.compile(r"([a-z-]+)/watch/toy-fp32 is not admitted \(([a-z_]+)\): ")


def test_hostile_models_are_refused_while_the_daemon_serves_its_good_one(home: Household) -> None:
    device = home.add("watch")
    device.configure(models={"memory_budget_bytes": LIMITS.memory_bytes, "admission_timeout_s": 4.0})
    device.start()
    device.status()
    device.end()
    for hostile in HOSTILE:
        lay(device, hostile)
    lay_linked(device)
    device.start()
    refused = until(lambda: all_refused(device), "the refusal of every hostile model", PATIENCE_S)
    loops = {name: limit for name, limit in refused.items() if name.endswith("-loop")}
    assert set(loops.values()) <= {"cpu", "time"}  # Which of them it is depends on how busy the machine is.
    expected = {hostile.name: hostile.limit for hostile in HOSTILE}
    assert refused | loops == expected | loops
    assert len(device.events("daemon.started")) == 2
    device.check_running()


def test_a_daemon_that_is_told_to_stop_in_the_midst_of_a_trial_stops(home: Household) -> None:
    device = home.add("watch")
    lay(device, next(hostile for hostile in HOSTILE if hostile.name == "endless-loop"))
    device.configure(models={"admission_timeout_s": 600.0})
    device.start()
    assert device.process is not None
    daemon = psutil.Process(device.process.pid)
    until(lambda: any("model_registry.admission.child" in child.cmdline() for child in daemon.children()), "the trial")
    device.end()


def all_refused(device: Device) -> dict[str, str]:
    """Return each refused model's broken limit, once there are all; the good model answers at every look."""
    device.status()
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).outputs["score"] == np.float32(CALM)
        sentences = [problem.sentence for problem in client.status().problems]
    refused = {found[1]: found[2] for sentence in sentences if (found := _SENTENCE.match(sentence))}
    linked = any(sentence.startswith("Model 'linked': ") for sentence in sentences)
    return refused if linked and len(refused) == len(HOSTILE) else {}


def lay(device: Device, hostile: Hostile) -> None:
    content = hostile.build()
    bundle = device.bundles / hostile.name
    bundle.mkdir()
    (bundle / "manifest.toml").write_text(manifests.dumps(manifest_of(content, name=hostile.name)))
    (bundle / "watch.onnx").write_bytes(content)
    (bundle / "link.bin").symlink_to("/etc/hostname")


def lay_linked(device: Device) -> None:
    """Write a bundle whose model is a link to a sound one outside of it."""
    content = mean_model()
    bundle = device.bundles / "linked"
    bundle.mkdir()
    (device.bundles.parent / "elsewhere.onnx").write_bytes(content)
    (bundle / "manifest.toml").write_text(manifests.dumps(manifest_of(content, name="linked")))
    (bundle / "watch.onnx").symlink_to(device.bundles.parent / "elsewhere.onnx")
