"""HTML of the live table: ranking, totals and status through an autoescaping jinja2 template, without a widget."""

from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from lib.consumer.status import Status

TEMPLATE = "table.html.jinja"


def to_html(ranking: pd.DataFrame, totals: dict[str, int], status: Status | None = None) -> str:
    """The HTML of a ranking (from `lib.ranking.ranking`), the query's totals (messages) and its status."""
    received, *rest = [f"{number:,} {name}" for name, number in totals.items()] or ["0 received"]
    rows = ranking.assign(points=ranking["trend"].map(to_points)).to_dict("records")
    return template().render(rows=rows, equation=f"{received} = {' + '.join(rest)}", status=status)


@cache
def template() -> Template:
    """The template, loaded once. It escapes all values: hashtags and error messages contain untrusted text."""
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    ).get_template(TEMPLATE)


def to_points(counts: list[int]) -> str:
    """The counts as the points of an SVG polyline of 90 by 18 pixels, the highest at the top."""
    step, top = 86 / max(1, len(counts) - 1), max(*counts, 1)
    return " ".join(f"{2 + n * step:.0f},{16 - 14 * count / top:.0f}" for n, count in enumerate(counts))
