"""The README's runbook: whether a consumer's status shows an alarm in the words of the table's first column."""

import re

from lib.consumer.status import Status
from lib.settings import ROOT

SECTION = re.compile(r"^## Runbook\n(.*?)^## ", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| \*\*(.+?)\*\*: `(.+?)` \|", re.MULTILINE)
NUMBER = re.compile(r"\d[\d,.]*")


def alarms() -> dict[str, re.Pattern]:
    """{name of the alarm: its words in the README, with any number where it has one, and any text for …}."""
    (section,) = SECTION.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return {name: pattern(words) for name, words in ROW.findall(section)}


def pattern(words: str) -> re.Pattern:
    parts = [NUMBER.sub("0", part) for part in words.split("…")]
    return re.compile(".+".join(re.escape(part).replace("0", NUMBER.pattern) for part in parts))


def says(name: str, status: Status) -> bool:
    """Whether the status has the alarm of this name."""
    return any(alarms()[name].fullmatch(text) for text in (*status.alarms, status.advice))
