"""Tests on machines of their own, as far as the network can tell; they skip where there can be none."""

from __future__ import annotations

import pytest

from meshd.demo.namespaces import Namespace, namespaces, why_no_rate, why_not

__all__ = ["Namespace", "namespaces", "needs_namespaces", "needs_slow_links"]


def needs_namespaces() -> None:
    """Skip the running test where there can be no namespaces, and say why."""
    if reason := why_not():
        pytest.skip(reason)


def needs_slow_links() -> None:
    """Skip the running test where links between namespaces cannot be made slow, and say why."""
    if reason := why_no_rate():
        pytest.skip(reason)
