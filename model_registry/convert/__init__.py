"""From a stranger's model to a bundle of variants with their measured costs; needs the `convert` extra."""

import os

# onnxruntime reports to its vendor unless this is set before its import, and half of the converters import it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
