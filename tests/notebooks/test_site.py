"""The static site: all its pages, and no broken link."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from lib.course.site import broken_links, write_site
from lib.settings import ROOT


@pytest.fixture(scope="module")
def site(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with ThreadPoolExecutor() as pool:  # Playwright refuses a second start in the thread of the browser's tests
        pool.submit(write_site, settings, folder / "site", Console(quiet=True)).result()
    return folder / "site"


def test_it_has_each_lesson_the_deck_the_results_and_the_glossary(site):
    index = (site / "index.html").read_text()
    lessons = [f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")]
    for page in (*lessons, "deck/defence.html", "tests/faults/RESULTS.html", "notebooks/GLOSSARY.html", "README.html"):
        assert f'href="{page}"' in index and (site / page).exists(), page


def test_its_links_lead_somewhere(site):
    assert list(broken_links(site)) == []
    assert 'href="GLOSSARY.html#topic"' in (site / "notebooks" / "00_master.html").read_text()


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>')
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1><img src="gone.png"><a href="https://example.org">x</a>')
    found = sorted(broken_links(tmp_path))
    assert found == ["a.html: b.html#gone", "a.html: c.html", "b.html: gone.png"]
