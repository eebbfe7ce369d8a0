"""Tweets that want to be HTML, a script, a link or a path stay text, in JupyterLab and in the exported page.

On the way the live table's other states are seen: waiting for tweets, stopped, and failed.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaProducer
from nbconvert import HTMLExporter

from lib.recount import hashtags

TOPIC = "hostile"
HOSTILE = [
    "<script>window.__pwned = 1; alert(1)</script> #<script>",
    "<img src=x onerror='window.__pwned = 2'> #a<img src=x onerror=window.__pwned=3>",
    '"><svg onload="window.__pwned = 4"> #b"onmouseover="window.__pwned=5',
    "</td></table></div><script>window.__pwned = 6</script> #c</td>",
    "<a href='javascript:window.__pwned=7'>win</a> javascript:window.__pwned=8 #javascript",
    "<style>body { display: none }</style><iframe srcdoc='<script>parent.__pwned=9</script>'></iframe> #style",
    "&lt;b&gt; &amp;amp; &#60;i&#62; &nbsp; #d&lt;e",
    "\u202etxet desrever\u202c \u2066isolated\u2069 \u200fright #f\u202eg",
    "../../etc/passwd #h/etc/passwd",
    "C:\\Windows\\System32\\evil.exe file:///etc/passwd #win\\dows",
    "it costs $5, not $6; \\(x^2\\) $$y$$ #money$5$6",
    "{{ 7 * 7 }} {% raw %} ${7*7} %s #{i} `rm -rf` **bold** [x](javascript:alert(1)) #_under_",
    "#עברית5 #العربية 🎉 #emoji🎉x #ñandú",
]
CELLS = [
    f"""import json, ipywidgets, pandas as pd
from IPython.display import HTML, display
from lib import consumer
from lib.consumer.status import Status
from lib.course.tables import show_dollars_as_text
from lib.live_table import LiveTable, to_html
from lib.query import TrendQuery
from lib.ranking import ranking
from lib.settings import Settings
from lib.spark_session import spark_session
from lib.topics import Cluster
settings = Settings.from_environment()
cluster = Cluster(settings.bootstrap_servers)
spark = spark_session(settings, "browser")
query = TrendQuery("30 seconds", "5 seconds", "30 seconds")

def start(name):
    messages = consumer.read_topic(spark, cluster, "{TOPIC}", "earliest")
    return consumer.start(messages, query, settings.build_dir / "runs" / name, cluster, "{TOPIC}", top=50)""",
    "running = start('hostile')\ntable = LiveTable(running, 1).show()",
]
AS_DATAFRAME = f"""show_dollars_as_text()
pd.options.display.max_colwidth = None
texts = pd.DataFrame({{"text": [json.loads(m.value)["text"] for m in cluster.read("{TOPIC}")]}})
print(*texts["text"], sep="\\n")
texts"""
# Worse than what can come: hashtags are only letters, digits and underscores, and errors are our own.
AS_TABLE = """bad = texts["text"].head(-1)
second = pd.Timedelta("1 second")
end = pd.Timestamp("2026-01-01 12:00:00")
counts = pd.DataFrame({"window_start": end - 30 * second, "window_end": end, "hashtag": bad, "tweets": 5})
html = to_html(ranking(counts, end, 50, second), {"received": 1}, Status("failed", " ".join(bad)))
display(ipywidgets.HTML(html))
display(HTML(html))"""

# What cannot be written fails the query.
REFUSE_ROWS = """with again.store.engine.begin() as connection:
    connection.exec_driver_sql(
        "CREATE TRIGGER full BEFORE INSERT ON panes BEGIN SELECT RAISE(ABORT, 'no room for a window'); END")"""


@pytest.fixture(scope="module")
def hostile(lab, cluster):
    """The notebook above, with its live table on an empty topic."""
    cluster.create(TOPIC, partitions=1)
    lab.write("hostile.ipynb", CELLS)
    notebook = lab.open("hostile.ipynb")
    notebook.menu("Run", "Run All Cells")
    notebook.table.wait_for(timeout=120_000)
    yield notebook
    notebook.close()


@pytest.fixture
def send(settings):
    """Send a tweet of each text, 10 seconds old, and one of now, which completes the windows they are in."""

    def send(texts: list[str]) -> None:
        now = datetime.now(UTC)
        times = [now - timedelta(seconds=10)] * len(texts) + [now]
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers) as client:
            for number, (text, time) in enumerate(zip([*texts, "now"], times, strict=True)):
                created_at = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                tweet = {"id": f"{now}-{number}", "user": "<b>u</b>", "text": text, "created_at": created_at}
                client.send(TOPIC, json.dumps(tweet).encode(), b"u")

    return send


def cells_of(page, selector: str) -> set[str]:
    """The table cells' texts, as the browser has them."""
    return set(page.locator(selector).evaluate_all("cells => cells.map(cell => cell.textContent)"))


def assert_harmless(page) -> None:
    """No script ran, and nothing of the tweets became an element."""
    assert page.evaluate("window.__pwned") is None and page.dialogs == []
    for element in ("script", "img", "iframe", "a", "b >> text=win", "[onerror]", "[onload]", "[onmouseover]"):
        inside = page.locator(f".jp-OutputArea-output table {element}, .jp-OutputArea-output .advice {element}")
        assert inside.count() == 0, element
    assert page.locator("a[href^='javascript' i]").count() == 0


def test_without_tweets_the_table_says_why(hostile):
    hostile.shows(hostile.table, "waiting")
    hostile.shows(hostile.table, "Is a producer running?")
    hostile.screenshot("live_table_waiting")


def test_hostile_hashtags_in_the_live_table(hostile, send):
    send(HOSTILE)
    expected = {f"#{tag}" for text in HOSTILE for tag in hashtags(text)}
    assert "#javascript" in expected and "#עברית5" in expected
    hostile.shows(hostile.table, "#javascript", seconds=60)
    assert cells_of(hostile.page, ".widget-html .trending td:nth-child(2)") == expected
    assert_harmless(hostile.page)


def test_hostile_texts_as_pandas_and_as_a_table_show_them(hostile, lab):
    page = hostile.page
    hostile.shows(hostile.run(AS_DATAFRAME).locator("table.dataframe"), "passwd")
    assert cells_of(page, "table.dataframe td") >= set(HOSTILE)
    printed = page.locator("[data-mime-type='application/vnd.jupyter.stdout']").last.text_content()
    assert all(text in printed for text in HOSTILE)

    output = hostile.run(AS_TABLE)
    hostile.shows(output.locator(".jp-RenderedHTMLCommon .trending"), "passwd")
    for kind in (".widget-html", ".jp-RenderedHTMLCommon"):
        tables = page.locator(f"{kind} .trending").last
        assert cells_of(tables, "td:nth-child(2)") == {f"#{text}" for text in HOSTILE}
        assert all(text in tables.locator(".advice").text_content() for text in HOSTILE)
    assert_harmless(page)
    page.screenshot(path=lab.screenshots() / "hostile_jupyterlab.png")


def test_hostile_texts_in_the_exported_page(hostile, lab):
    hostile.save()
    html, _ = HTMLExporter().from_filename(str(lab.notebooks / "hostile.ipynb"))
    exported = lab.folder / "hostile.html"
    exported.write_text(html, encoding="utf-8")
    page = lab.page()
    page.goto(exported.as_uri())
    page.locator("table.dataframe").wait_for()
    assert cells_of(page, "table.dataframe td") >= set(HOSTILE)
    assert cells_of(page, ".trending td:nth-child(2)") >= {f"#{text}" for text in HOSTILE}
    assert_harmless(page)
    page.screenshot(path=lab.screenshots() / "hostile_exported.png", full_page=True)
    page.close()


def test_a_failed_query_says_so_in_place(hostile, send):
    hostile.run("running.stop()\ntable.stop()")
    failing = "again = start('failing')\nLiveTable(again, 1).show();"
    hostile.run(failing)
    hostile.shows(hostile.table, "running", seconds=60)
    hostile.run(REFUSE_ROWS)
    send(["one more #tweet"])
    hostile.shows(hostile.table, "failed", seconds=60)
    hostile.shows(hostile.table.locator(".advice.error"), "the streaming query failed")
    hostile.shows(hostile.table.locator(".advice.error"), "no room for a window")
    hostile.screenshot("live_table_failed")
