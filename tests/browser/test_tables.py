"""Tables in JupyterLab's default fonts: no header is cut off, and no text between dollar signs becomes a formula."""

import pytest
from nbconvert import HTMLExporter

WIDTHS = (1600, 1100, 700, 420)
LIVE_TABLE = """import ipywidgets, pandas as pd
from IPython.display import HTML, display
from lib.live_table import to_html
from lib.ranking import ranking
end, second = pd.Timestamp("2026-01-01 12:00:00"), pd.Timedelta("1 second")
rows = [(end - 30 * second - back * 5 * second, end - back * 5 * second, hashtag, tweets)
        for back in range(3) for hashtag, tweets in [("datascience", 1_234_567), ("a" * 80, 900 + back), ("x", 5)]]
counts = pd.DataFrame(rows, columns=["window_start", "window_end", "hashtag", "tweets"])
for some in (counts, counts.head(0)):
    html = to_html(ranking(some, end, 10, 5 * second), {"received": 1_234_567, "counted": 1_234_567})
    display(ipywidgets.HTML(html), HTML(html))"""
FORMULA = "it costs $5$ or $$x^2$$"
PLAIN = f"import pandas as pd\npd.DataFrame({{'text': ['{FORMULA}']}})"
AS_TEXT = f"""from IPython.display import HTML, display
from lib.course.tables import show_dollars_as_text
show_dollars_as_text()
{PLAIN.replace("pd.DataFrame", "table = pd.DataFrame")}
display(table, HTML("<p class='last'>$y$</p>"))"""
# The width of each header cell's text that its column does not show.
HIDDEN = "all => all.map(th => th.scrollWidth - th.clientWidth)"
STICKS_OUT = "all => all.map(table => table.scrollWidth - table.clientWidth)"


@pytest.fixture(scope="module")
def notebook(lab):
    lab.write("tables.ipynb", [])
    opened = lab.open("tables.ipynb")
    yield opened
    opened.close()


def test_no_header_of_the_live_table_is_cut_off(notebook, lab):
    notebook.run(LIVE_TABLE).locator(".jp-RenderedHTMLCommon .trending").nth(1).wait_for()
    for theme in ("Dark", "Light"):
        lab.set("themes", {"theme": f"JupyterLab {theme}"})
        notebook.reload()
        page = notebook.page
        page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=f"JupyterLab {theme}")
        page.locator(".widget-html .trending").nth(1).wait_for()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            tables = page.locator(".trending")
            assert tables.locator("th").count() == 6 * tables.count() == 24
            assert max(tables.locator("th").evaluate_all(HIDDEN)) <= 0, (theme, width)
            assert max(tables.evaluate_all(STICKS_OUT)) <= 0, (theme, width)
            page.screenshot(path=lab.screenshots() / f"headers_{theme.lower()}_{width}.png")


def test_no_text_in_a_dataframe_becomes_a_formula(notebook, lab):
    notebook.run(PLAIN).locator("mjx-container").first.wait_for()  # without it, it does
    output = notebook.run(AS_TEXT)
    output.locator(".last mjx-container").wait_for()  # what comes below the table has been typeset
    assert output.locator("table.dataframe td").all_text_contents() == [FORMULA]

    notebook.save()
    html, _ = HTMLExporter().from_filename(str(lab.notebooks / "tables.ipynb"))
    assert html.count("tex2jax_ignore mathjax_ignore") >= 1
