"""Small notebooks, written for a test."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lib.course.series import METADATA


@pytest.fixture
def write(tmp_path):
    """Write a notebook into tmp_path/series: Markdown where a text begins with #, code else; its path."""

    def write(name: str, *cells: str, parameters: str = ""):
        made = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        made += [new_markdown_cell(text) if text.startswith("#") else new_code_cell(text) for text in cells]
        path = tmp_path / "series" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=made, metadata=METADATA), path)
        return path

    return write


@pytest.fixture
def nothing_left():
    """A function that fails where a process runs that this test run started since the fixture was made."""
    from tests.conftest import left_behind

    before = left_behind()

    def check() -> None:
        assert [line for line in left_behind() if line not in before] == []

    return check
