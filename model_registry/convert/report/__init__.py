"""What an import brought forth, for a person: a table in the terminal and one self-contained page."""

from model_registry.convert.report.page import write_page
from model_registry.convert.report.table import table

__all__ = ["table", "write_page"]
