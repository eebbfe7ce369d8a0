"""Evidence of the defence: what `make evidence` has measured, as notebooks/evidence/evidence.json has it.

A claim holds only if it was measured and the value is within its limits: both are read here, nothing else decides.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

import nbformat
import pandas as pd

from lib.course.notebook import FOLDER
from lib.settings import ROOT

PLACE = FOLDER / "evidence"
FILE = PLACE / "evidence.json"
# What the slides show or speak of; evidence that was measured with other code is outdated.
CODE = ("lib/trends.py", "lib/recount.py", "lib/course/live_kill.py", "tests/integration/test_oracle.py")


@dataclass(frozen=True)
class Claim:
    """A sentence of the report, and the measurement that shows it.

    `measured`: what `value` is, in words; it must be at least `at_least` and at most `at_most`. `error`: why there is
    no value.
    """

    name: str
    statement: str
    measured: str
    value: float | None = None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    error: str = ""

    @property
    def holds(self) -> bool:
        """Whether it was measured, and the value is within the limits."""
        if self.value is None or self.error:
            return False
        low, high = self.at_least, self.at_most
        return (low is None or self.value >= low) and (high is None or self.value <= high)

    @property
    def shown(self) -> str:
        """The value with its unit, such as "1.8 s"."""
        if self.value is None:
            return "not measured"
        number = f"{self.value:,.0f}" if float(self.value).is_integer() else f"{self.value:,.1f}"
        return f"{number} {self.unit}".rstrip()

    @property
    def limit(self) -> str:
        """The limits, such as "at most 5 s"."""
        sides = {"at least": self.at_least, "at most": self.at_most}
        return " and ".join(
            f"{side} {limit:,g} {self.unit}".rstrip() for side, limit in sides.items() if limit is not None
        )


@dataclass(frozen=True)
class Evidence:
    """One run of `make evidence`: its day, the versions and the machine, the hashes of CODE, the claims, and the data
    of the figures, {name: JSON}."""

    day: str
    versions: dict[str, str]
    machine: str
    code: dict[str, str]
    claims: Sequence[Claim] = ()
    data: dict[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """The committed evidence."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**values | {"claims": tuple(Claim(**claim) for claim in values["claims"])})

    def write(self, path: Path = FILE) -> None:
        """Write it, to be committed."""
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        lists = re.sub(r"\[[-\d.,\s]+\]", lambda found: " ".join(found[0].split()), text)  # numbers in one line
        path.write_text(lists + "\n", encoding="utf-8")

    def claim(self, name: str) -> Claim:
        """The claim with this name; KeyError if there is none."""
        return {claim.name: claim for claim in self.claims}[name]

    @property
    def source(self) -> str:
        """The day, the machine and the versions, in a line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"Measured {self.day} · {self.machine} · {versions}"

    def outdated(self) -> list[str]:
        """The files of CODE that have changed since the measurement."""
        now = hashes()
        return [path for path in now if self.code.get(path) != now[path]]


def hashes() -> dict[str, str]:
    """{path: SHA-256} of CODE, as it is now."""
    return {path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in CODE}


def tables(page: Path) -> list[pd.DataFrame]:
    """The tables of a Markdown page, all cells as text, the first column as the index."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append(pd.DataFrame(rows[2:], columns=rows[0]).set_index(rows[0][0]))
    return found


def table_of(lesson: str, words: str) -> pd.DataFrame:
    """The first table in a lesson's committed outputs that has these words, as `tables` gives one.

    LookupError if no output has them.
    """
    book = nbformat.read(FOLDER / f"{lesson}.ipynb", as_version=4)
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [page for output in outputs if words in (page := output.get("data", {}).get("text/html", ""))]
    if not pages:
        raise LookupError(f"no output of {lesson} has the words {words!r}")
    table = ElementTree.fromstring(re.search(r"<table.*</table>", pages[0], re.DOTALL)[0])
    head, *rows = [[cell.text or "" for cell in row] for row in table.iter("tr")]
    names, *rows = rows if not any(rows[0][-1:]) else [head, *rows]  # pandas puts the names of an index below
    columns = [name or above for name, above in zip(names, head, strict=True)]
    for before, row in pairwise(rows):  # a cell over several rows is only in the first of them
        row[:0] = before[: len(columns) - len(row)]
    return pd.DataFrame(rows, columns=columns).set_index(columns[0])
