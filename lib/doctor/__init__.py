"""Doctor: checks whether this machine has what the course needs, with a remedy for each failure. Changes nothing.

It must run on a machine where much is broken, and report an old Python or a missing package in a line. So this module,
`machine` and the command line have no syntax newer than Python 3.8, and import no installed package at module level.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lib.doctor import machine
from lib.doctor.machine import Finding

if TYPE_CHECKING:
    from lib.settings import Settings


def on_network(name: str) -> Callable[[Settings], Finding]:
    """A check of `lib.doctor.network`, which is imported when the check runs."""
    return lambda settings: getattr(importlib.import_module("lib.doctor.network"), name)(settings)


CHECKS = {
    "packages": machine.packages,
    "Java": machine.java,
    "jars": machine.jars,
    "archives": machine.archives,
    "memory": machine.memory,
    "disk": machine.disk,
    "port": on_network("port"),
    "ZooKeeper": on_network("zookeeper"),
    "Docker": on_network("client"),
    "engine": on_network("engine"),
    "broker": on_network("broker"),
    "round trip": on_network("round_trip"),
    "browser": machine.browser,
}


def examine(settings: Settings, checks=CHECKS, seconds: float = 30) -> Iterator[tuple[str, Finding]]:
    """Each check's name and finding, in order. The checks run in parallel; after `seconds` none is waited for."""
    answers: dict[str, list[Finding]] = {name: [] for name in checks}
    threads = [
        # A daemon: a check that hangs must not keep the program from ending.
        threading.Thread(target=lambda n=name, c=check: answers[n].append(safely(c, settings)), daemon=True)
        for name, check in checks.items()
    ]
    try:  # imported here: Python fails if two threads import a package and one of its modules at once
        together = importlib.import_module("lib.doctor.network")
    except Exception:  # each check reports what it lacks, one after the other
        together = None
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
        if not together:
            thread.join(max(0, end - time.monotonic()))
    late = Finding("warning", f"no answer within {seconds:g} s", "try again; find out what keeps the machine busy")
    for thread, name in zip(threads, checks):  # noqa: B905, which is newer than Python 3.8
        thread.join(max(0, end - time.monotonic()))
        yield name, (answers[name] or [late])[0]


def safely(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    """The check's finding; an error in it becomes a finding too."""
    try:
        return check(settings)
    except ImportError as error:
        return Finding("missing", f"not checked: the package {error.name} is not installed", machine.INSTALL)
    except Exception as error:
        from lib.errors import CourseError, DockerError

        if not isinstance(error, CourseError):
            what = f"the check failed: {type(error).__name__}: {error}"
            return Finding("warning", what, "report it to the course's authors")
        of_docker = isinstance(error, DockerError) or error.data.get("option") == "STREAM_COMPOSE_FILE"
        if of_docker and settings.mode != "docker":
            return Finding("note", f"{error.what}; only mode docker needs it")
        return Finding("missing", error.what, error.remedy)
