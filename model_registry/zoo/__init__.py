"""Model families that ship with the registry."""

import os

# Before anything here imports onnxruntime: its wheels would report to their vendor. docs/decisions/0003-executor.md
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
