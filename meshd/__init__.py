"""One daemon per device; together they are one inference machine."""

__version__ = "0.1.0"
