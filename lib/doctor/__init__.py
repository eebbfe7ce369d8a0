"""Around the pipeline: what this machine has and lacks for the course, one line and one remedy each.

`python -m lib.doctor` looks, changes nothing, and exits with 1 only where something is missing that the chosen mode
needs. What it looks at is in `lib.doctor.checks`; here they run side by side with a deadline, and are told.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable

from lib.doctor.checks import CHECKS, INSTALL, Finding, check_python, check_settings

MARKS = {"good": ("✔", "green"), "note": ("·", "dim"), "warning": ("!", "yellow"), "missing": ("✘", "bold red")}
ONLY_DOCKER = ("Docker", "engine")  # needed in mode docker alone
DEADLINE_SECONDS = 30


def examine(checks: dict[str, Callable[..., Finding]] = CHECKS) -> Iterable[tuple[str, Finding]]:
    """Each check's name and finding, in order. They run side by side, and none holds up the others for long."""
    from lib.settings import settings

    answers: dict[str, list[Finding]] = {name: [] for name in checks}
    threads = [
        # A daemon: a check that hangs must not keep the program from ending.
        threading.Thread(target=lambda n=name, c=check: answers[n].append(safely(n, c, settings)), daemon=True)
        for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE_SECONDS
    late = Finding("warning", f"no answer within {DEADLINE_SECONDS} s", "try again; see what keeps the machine busy")
    for thread, (name, answer) in zip(threads, answers.items(), strict=True):
        thread.join(max(0, end - time.monotonic()))
        yield name, (answer or [late])[0]


def safely(name: str, check: Callable[..., Finding], *arguments) -> Finding:
    """What the check finds. Its failing is a finding too: of a package, of the course's own kind, or unforeseen."""
    try:
        return check(*arguments)
    except ImportError as error:
        return Finding("missing", f"not looked at: the package {error.name} is not installed", INSTALL)
    except Exception as error:
        from lib.errors import CourseError

        if not isinstance(error, CourseError):
            what = f"could not be looked at: {type(error).__name__}: {error}"
            return Finding("warning", what, "tell the course's authors")
        if name in ONLY_DOCKER and arguments[0].mode != "docker":
            return Finding("note", f"{error.what}; only mode docker needs it")
        return Finding("missing", error.what, error.remedy)


def show(name: str, finding: Finding) -> None:
    """Print the finding, in colour where rich is there and the terminal has it."""
    mark, style = MARKS[finding.level]
    remedy = f"\n    What to do: {finding.remedy}" if finding.remedy else ""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print(f"{mark} {name:<11}{finding.text}{remedy}")
        return
    text = (finding.text, style if finding.level == "note" else "")
    Console().print(Text.assemble((mark, style), f" {name:<11}", text, remedy), soft_wrap=True)


def main() -> int:
    sys.stdout.reconfigure(encoding="utf-8")  # a Windows console may have no ✔
    for name, check in {"Python": check_python, "settings": check_settings}.items():
        finding = safely(name, check)
        show(name, finding)
        if finding.level != "good":
            return 1  # with another Python, or without settings, what else is wrong says nothing
    missing = 0
    for name, finding in examine():
        show(name, finding)
        missing += finding.level == "missing"
    print(f"{missing} of these must be put right first (✘)" if missing else "this machine is ready for the course")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
