"""The locked jars: verified, and downloaded where they are missing or differ, from a repository on this machine."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.maven import MavenContext

from lib.errors import JarError
from lib.infra.jars import check_connector, jars, paths, wrong


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without a log on standard error, and keeps the names of the files asked for."""

    def log_message(self, *_) -> None:
        self.server.asked.append(Path(self.path).name)


@pytest.fixture
def repository(tmp_path):
    """A folder with the connector's jars, served over HTTP; `stop()` ends it."""
    folder, own = tmp_path / "repository", MavenContext().repo_cache
    for path in jars("connector"):
        copy = folder / path.relative_to(own)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    server.folder, server.asked = folder, []
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()

    def stop():
        server.shutdown(), serving.join(), server.server_close()

    server.stop = stop
    yield server
    stop()


@pytest.fixture
def cache(tmp_path, repository, monkeypatch):
    """A Maven cache of its own, filled from the repository."""
    folder = tmp_path / "cache"
    shutil.copytree(repository.folder, folder)
    here = {"here": f"http://127.0.0.1:{repository.server_port}"}
    monkeypatch.setenv("M2_REPO", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("lib.infra.jars.MavenContext", partial(MavenContext, remote_repos=here))
    return folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def test_what_is_in_the_cache_needs_no_network(cache, repository):
    found = jars("connector")
    assert len(found) == 4 and all(path.is_relative_to(cache) for path in found) and repository.asked == []


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_jar_that_differs_or_is_missing_is_downloaded(cache, repository, damage):
    damaged = paths("connector")[1]
    before = damaged.read_bytes()
    damage(damaged)
    assert wrong("connector") == [damaged] and len(jars("connector")) == 4
    assert damaged.read_bytes() == before and {name.removesuffix(".sha1") for name in repository.asked} == {
        damaged.name
    }
    repository.stop()
    assert len(jars("connector")) == 4, "the second time needs no network"


@pytest.mark.parametrize("missing", ["the network", "the jar"])
def test_a_jar_that_cannot_be_downloaded(cache, repository, missing):
    damaged = paths("connector")[1]
    flip(damaged)
    if missing == "the network":
        repository.stop()
    else:
        (repository.folder / damaged.relative_to(cache)).unlink()
    with pytest.raises(JarError) as failed:
        jars("connector")
    reason = {"the network": "ConnectionError", "the jar": "RuntimeError"}[missing]
    assert failed.value.data == {"jar": damaged.name, "reason": reason} and not damaged.exists()


def test_a_downloaded_jar_that_differs_from_the_lock_is_refused(cache, repository):
    missing = paths("connector")[1]
    missing.unlink()
    flip(repository.folder / missing.relative_to(cache))
    with pytest.raises(JarError) as refused:
        jars("connector")
    assert refused.value.data == {"jar": missing.name, "reason": "SHA-256"} and not missing.exists()


def test_the_connector_is_of_pysparks_version(monkeypatch):
    check_connector()
    monkeypatch.setattr("pyspark.__version__", "9.9.9")
    with pytest.raises(JarError) as refused:
        jars("connector")
    assert refused.value.data["installed"] == "9.9.9"


def test_the_command_verifies_both_locks(run_main):
    run = run_main("infra.jars")
    assert run.returncode == 0 and len(run.stdout.splitlines()) == 2
