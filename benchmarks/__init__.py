"""Figures that are measured, not asserted; each module prints its own."""
