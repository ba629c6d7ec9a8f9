"""Tries every model once in a process of its own before a node hosts it: what breaks there breaks nothing else."""
