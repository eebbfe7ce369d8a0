"""Display of pandas tables in a notebook: text between dollar signs is shown as it is, not typeset as a formula."""

import pandas as pd
from IPython import get_ipython


def show_dollars_as_text() -> None:
    """Let this notebook show all DataFrames so from now on."""
    pd.set_option("display.html.use_mathjax", False)  # tex2jax_ignore, which nbconvert's pages obey
    html = get_ipython().display_formatter.formatters["text/html"]
    html.for_type(pd.DataFrame, to_html)


def to_html(table: pd.DataFrame) -> str:
    """pandas's own HTML, with the class that JupyterLab's MathJax obeys; pandas adds it from version 3 on."""
    return table._repr_html_().replace("tex2jax_ignore", "tex2jax_ignore mathjax_ignore", 1)
