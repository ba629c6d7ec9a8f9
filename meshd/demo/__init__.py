"""A household on one machine: a watch, a phone and a hub that find each other and watch over an ECG."""

from meshd.demo.demo import Demo, DemoOptions

__all__ = ["Demo", "DemoOptions"]
