"""Checks of this machine: Python, packages, Java, jars, archives, memory, disk and browser.

Each check imports what it needs itself, so that a missing package fails only the checks that need it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.settings import Settings

INSTALL = "make install (or in your own environment: pip install --require-hashes -r requirements.lock)"
OVERHEAD_MB = 1024  # besides the two Java heaps: Java itself, the kernel and JupyterLab
OUTPUT_MB = 512  # checkpoints, results and logs
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True)
class Finding:
    """The result of a check. `level` is "good", "note" (not needed in this mode), "warning" or "missing"."""

    level: str
    text: str
    remedy: str = ""


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("good", f"{version} at {sys.executable}")
    return Finding("missing", f"{version}; 3.11 to 3.13 is needed", "make install PYTHON=python3.11, or conda's arqesp")


def packages(settings: Settings) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    from lib.settings import ROOT

    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = map(Requirement, re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]*[^\\\s])", lock, re.M))
    needed = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    wrong = []
    for pin in needed:
        try:
            if (found := version(pin.name)) not in pin.specifier:
                wrong.append(f"{pin.name} is {found}, the lock has {str(pin.specifier)[2:]}")
        except PackageNotFoundError:
            wrong.append(f"{pin.name} is not installed")
    return Finding("missing", first_of(wrong), INSTALL) if wrong else Finding("good", f"{len(needed)}, as locked")


def java(settings: Settings) -> Finding:
    from lib.infra.java import find_java, java_version

    path = find_java(settings)
    return Finding("good", f"{java_version(path)} at {path}")


def jars(settings: Settings) -> Finding:
    from lib.infra.jars import paths, wrong

    locks = ("broker", "connector") if settings.mode == "embedded" else ("connector",)
    faults = [
        f"{path.name} {'differs from the lock' if path.exists() else 'is missing'}"
        for name in locks
        for path in wrong(name)
    ]
    if faults:
        return Finding("missing", first_of(faults), "python -m lib.infra.jars")
    return Finding("good", f"{sum(len(paths(name)) for name in locks)}, verified")


def archives(settings: Settings) -> Finding:
    from lib import class_data

    if all(found := class_data.archives(settings)):
        return Finding("good", f"{sum(file.stat().st_size for file in found) // 10**6} MB, for a faster start")
    return Finding("note", "none: Spark and the broker take about twice the time to start", "python -m lib.class_data")


def memory(settings: Settings) -> Finding:
    import psutil

    broker_mb = settings.broker_heap_mb if settings.mode == "embedded" else 0
    needed = settings.driver_memory_mb + broker_mb + OVERHEAD_MB
    found = psutil.virtual_memory()
    free, total = found.available // 1024**2, found.total // 1024**2
    if free >= needed:
        return Finding("good", f"{free:,} MB free of {total:,} MB, {needed:,} MB needed")
    what = f"{free:,} MB free of {total:,} MB; Spark, broker and notebook may use {needed:,} MB"
    level = "missing" if total < needed else "warning"
    return Finding(level, what, "close other programs, or give Spark less: STREAM_DRIVER_MEMORY_MB=512")


def disk(settings: Settings) -> Finding:
    needed = OUTPUT_MB + (settings.partitions * settings.retention_mb if settings.mode == "embedded" else 0)
    folder = next(path for path in (settings.build_dir, *settings.build_dir.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding("missing", f"{folder} cannot be written", "set STREAM_BUILD_DIR to a writable folder")
    free = shutil.disk_usage(folder).free // 1024**2
    if free >= needed:
        return Finding("good", f"{free:,} MB free for {settings.build_dir.name}/, {needed:,} MB needed")
    what = f"{free:,} MB free at {folder}; a full topic and its results may use {needed:,} MB"
    return Finding("missing", what, "make clean, free some space, or set STREAM_BUILD_DIR to a folder on another disk")


def browser(settings: Settings) -> Finding:
    """The Chromium that the browser tests control, under any of its names."""
    if program := next(filter(None, map(shutil.which, BROWSERS)), None):
        return Finding("good", program)
    return Finding("note", "no Chromium; only the browser tests need it", "Debian: apt install chromium")


def first_of(items: list[str]) -> str:
    """The first three items, and how many more there are, on one line."""
    return ", ".join(items[:3]) + (f", and {len(items) - 3} more" if len(items) > 3 else "")
