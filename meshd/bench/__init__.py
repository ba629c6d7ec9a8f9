"""What meshd costs on a machine: time on the way to a model and back, memory, idle power, time to find peers."""

from meshd.bench.bench import Bench, Effort
from meshd.bench.report import Report

__all__ = ["Bench", "Effort", "Report"]
