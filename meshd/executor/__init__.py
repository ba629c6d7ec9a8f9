"""Runs models with onnxruntime: whole inputs in, checked outputs and a score out, never an exception past it."""
