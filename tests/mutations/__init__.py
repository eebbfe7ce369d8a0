"""Mutation testing: deliberate faults, each with the tests that must notice it. The list is faults.toml.

`python -m tests.mutations` puts them into a copy of the project one by one; tests/unit/test_mutations.py checks that
the list is up to date.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("faults.toml")


class OutOfDate(Exception):
    """The list does not fit the code: a text that does not occur exactly once, or a test that does not exist."""


@dataclass(frozen=True)
class Fault:
    """One deliberate fault: in `file`, `text` becomes `replacement`; `tests` are pytest nodes, which must notice it."""

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]

    def put_into(self, project: Path) -> None:
        """Change the file in this copy of the project; OutOfDate unless the text occurs there exactly once."""
        path = project / self.file
        path.write_text(self.changed(path.read_text(encoding="utf-8")), encoding="utf-8")

    def changed(self, content: str) -> str:
        if (found := content.count(self.text)) != 1:
            raise OutOfDate(f"{self.name}: its text occurs {found} times in {self.file}, instead of once")
        return content.replace(self.text, self.replacement)

    def check(self, project: Path) -> None:
        """OutOfDate unless the text occurs exactly once, and every test exists."""
        try:
            self.changed((project / self.file).read_text(encoding="utf-8"))
            for test in self.tests:
                path, _, function = test.partition("::")
                content = (project / path).read_text(encoding="utf-8")
                if not re.search(rf"^def {function or 'test_.*'}\(", content, re.MULTILINE):
                    raise OutOfDate(f"{self.name}: there is no {test}")
        except FileNotFoundError as error:
            raise OutOfDate(f"{self.name}: there is no {error.filename}") from None


def load(path: Path = LIST) -> list[Fault]:
    """The faults of a list, whose tables are ["file"."name"] with text, replacement and tests (separated by spaces)."""
    files = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Fault(name, file, fault["text"], fault["replacement"], tuple(fault["tests"].split()))
        for file, faults in files.items()
        for name, fault in faults.items()
    ]
