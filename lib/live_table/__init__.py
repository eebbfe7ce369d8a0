"""Live table: the trending topics as HTML, refreshed in a notebook while other cells run."""

from lib.live_table.html import to_html
from lib.live_table.widget import LiveTable

__all__ = ["LiveTable", "to_html"]
