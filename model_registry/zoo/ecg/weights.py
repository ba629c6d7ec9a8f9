"""Trained networks on disk, so that artifacts can be built from them again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from model_registry.zoo.ecg.network import SHAPES, FrameNet, student_shape


def save(networks: Mapping[str, FrameNet], path: Path) -> None:
    """Keep the networks of the tiers."""
    torch.save({tier: network.state_dict() for tier, network in networks.items()}, path)


def restored(path: Path) -> dict[str, FrameNet]:
    """Return the networks of the tiers that `save` kept."""
    networks = {tier: FrameNet(shape).eval() for tier, shape in SHAPES.items()}
    for tier, weights in torch.load(path, weights_only=True).items():
        networks[tier].load_state_dict(weights)
    return networks


def save_student(network: FrameNet, path: Path) -> None:
    """Keep a student of the hub."""
    torch.save(network.state_dict(), path)


def restored_student(path: Path) -> FrameNet:
    """Return the student that `save_student` kept; its weights tell its width."""
    weights = torch.load(path, weights_only=True)
    network = FrameNet(student_shape(weights["beat.weight"].shape[1]))
    network.load_state_dict(weights)
    network.eval()
    return network
