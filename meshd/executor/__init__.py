"""Runs models: whole inputs in, checked outputs and a score out, never an exception past it."""
