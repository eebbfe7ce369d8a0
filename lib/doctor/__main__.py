"""Command line: run all checks, print a line for each, and exit with 1 if something is missing that the mode needs.

It does not use `lib.errors.run`, which an older Python cannot import.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lib.doctor import examine, machine
from lib.doctor.machine import Finding

MARKS = {"good": ("✔", "green"), "note": ("·", "dim"), "warning": ("!", "yellow"), "missing": ("✘", "bold red")}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.doctor", description="Check this machine for the course.")
    parser.parse_args(argv)
    sys.stdout.reconfigure(encoding="utf-8")  # a Windows console may have no ✔
    show("Python", python := machine.python())
    if python.level != "good":
        return 1  # under an unsupported Python the other results would mean nothing
    from lib.errors import SettingError
    from lib.settings import Settings

    try:
        settings = Settings.from_environment()
    except SettingError as error:
        show("settings", Finding("missing", error.what, error.remedy))
        return 1
    secured = "" if settings.security_protocol == "PLAINTEXT" else f", {settings.security_protocol}"
    show("settings", Finding("good", f"mode {settings.mode}, broker at {settings.bootstrap_servers}{secured}"))
    levels = ["good", "good"]
    for name, finding in examine(settings):
        show(name, finding)
        levels.append(finding.level)
    missing, warnings = levels.count("missing"), levels.count("warning")
    if missing:
        print(f"{missing} of {len(levels)} checks failed (✘)")
        return 1
    print(f"all {len(levels)} checks passed" + (f", {warnings} with a warning (!)" if warnings else ""))
    return 0


def show(name: str, finding: Finding) -> None:
    """Print the finding, in colour if rich is installed and the terminal has colours."""
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


if __name__ == "__main__":
    sys.exit(main())
