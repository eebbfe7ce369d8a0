"""The tables of docker/README.md: its arithmetic is recomputed, and its measured assumptions are compared."""

import json
import re
from math import ceil

import pytest

from lib.query import TrendQuery, milliseconds
from lib.recount import hashtags
from lib.settings import ROOT, Settings
from lib.tweets import stream
from lib.tweets.stream import JITTER_MS

TEXT = (ROOT / "docker" / "README.md").read_text(encoding="utf-8")
DEFAULTS = Settings()


def table(first: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, without its heading."""
    found = re.search(rf"^\| {re.escape(first)}.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def name(cell: str) -> str:
    return re.match(r"`(\w+)`", cell)[1]


ASSUMED = {name(first): number(value) for first, value, _ in table("Name | Value")}
RESULTS = [(name(first), arithmetic.strip("`"), cells) for first, arithmetic, *cells in table("Name | Arithmetic")]
RATES = [number(rate) for rate in re.search(r"^\| Name \| Arithmetic \|(.*)\|$", TEXT, re.MULTILINE)[1].split("|")]


def recomputed(rate: float) -> dict[str, float]:
    """Each result at a rate, by the table's own arithmetic. A result may use those above it."""
    known = ASSUMED | {"rate": rate}
    for result, arithmetic, _ in RESULTS:
        known[result] = eval(arithmetic, {"__builtins__": {}, "ceil": ceil, "max": max}, known)
    return known


@pytest.mark.parametrize("column", range(3))
def test_each_number_follows_from_the_assumptions(column):
    known = recomputed(RATES[column])
    for result, _, cells in RESULTS:
        found, expected = number(cells[column]), known[result]
        assert found == pytest.approx(expected, rel=0.01), (result, found, expected)


def test_every_assumption_is_used():
    used = " ".join(arithmetic for _, arithmetic, _ in RESULTS)
    assert {name for name in ASSUMED if not re.search(rf"\b{name}\b", used)} == set()


def test_a_tweet_has_the_size_that_is_given():
    sent = list(stream(20_000, seed=1))
    key, value = (sum(map(len, parts)) / len(sent) for parts in zip(*sent, strict=True))
    given = re.search(r"(\d+) bytes of JSON on average, (\d+) of key; (\d+) for", TEXT)
    assert (int(given[1]), int(given[2])) == (pytest.approx(value, rel=0.02), round(key))
    assert ASSUMED["tweet_bytes"] == sum(map(int, given.groups()))


def test_the_speed_is_the_published_one():
    published = (ROOT / "tests" / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    [(cited, cores)] = re.findall(r"half of ([\d,]+)/(\d)", TEXT)
    assert cited in re.search(r"^\| backlog of .*", published, re.MULTILINE)[0]
    assert ASSUMED["core_rate"] == pytest.approx(number(cited) / int(cores) / 2, rel=0.03)


def test_the_times_are_the_settings_of_the_consumer():
    query = TrendQuery(DEFAULTS.window, DEFAULTS.slide, DEFAULTS.watermark)
    trigger_ms = milliseconds("trigger", DEFAULTS.trigger)
    assert ASSUMED["batch_s"] == trigger_ms / 1000
    assert ASSUMED["remembered_s"] == (query.watermark_ms + trigger_ms) / 1000
    assert f"panes of {query.pane_ms // 1000} s that" in TEXT and query.window_ms / query.pane_ms == 6
    assert ASSUMED["panes"] == ceil((trigger_ms + JITTER_MS) / query.pane_ms) + 2
    assert ASSUMED["retention_h"] == DEFAULTS.retention_hours


def test_the_courses_own_hashtags_are_counted_right():
    seen = {tag for message in stream(20_000, seed=1) for tag in hashtags(json.loads(message.value)["text"])}
    assert f"The course has {len(seen)} hashtags in all" in TEXT
    assert f"has at most {len(seen) * ASSUMED['panes']:g} rows" in TEXT


def test_the_settings_and_files_that_it_names_exist():
    named = {setting.removeprefix("STREAM_").lower() for setting in re.findall(r"STREAM_[A-Z_]+", TEXT)}
    assert named <= set(vars(DEFAULTS))
    for path in re.findall(r"`((?:lib|tests|docker)/[\w./]+)`", TEXT):
        assert (ROOT / path).exists() or path == "docker/.env", path
