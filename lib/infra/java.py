"""Beside the tweet's way: the Java that Kafka and Spark run on.

`python -m lib.infra.java` says which Java is used; `python -m lib.infra.java --fetch` fetches one where there is none.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from lib.errors import JavaError
from lib.settings import JAVA_VERSIONS, settings

REMEDY = (
    "install Java 17 (conda: conda install -c conda-forge openjdk=17; Debian: apt install default-jre-headless), "
    "or let the course fetch one for itself: python -m lib.infra.java --fetch"
)


@cache
def find_java() -> Path:
    """The `java` program to use: the one that was fetched, if it is still there, else JAVA_HOME's where that is set,
    else this Python's conda environment's, which may not be active, else PATH's.

    Raises JavaError where there is none, where JAVA_HOME leads nowhere, or where it is not Java 17, 21 or 25.
    """
    home, fetched = os.environ.get("JAVA_HOME"), settings.build_dir / "java-home"
    java, origin = None, str(fetched)
    if fetched.exists():  # and what was fetched too, unless its cache has been emptied since
        java = shutil.which("java", path=str(Path(fetched.read_text()) / "bin"))
    if not java and home:
        java, origin = shutil.which("java", path=str(Path(home) / "bin")), f"JAVA_HOME={home}"
        if not java:
            raise JavaError(f"{origin}, but there is no bin/java in it", f"unset JAVA_HOME, or {REMEDY}")
    elif not java:
        conda = os.pathsep.join([f"{sys.prefix}/bin", f"{sys.prefix}/Library/bin"])  # the second on Windows
        java, origin = shutil.which("java", path=conda) or shutil.which("java"), "PATH"
    if not java:
        raise JavaError("Kafka and Spark need Java, and none was found in JAVA_HOME or on PATH", REMEDY)
    found = java_version(Path(java))
    if found not in JAVA_VERSIONS:
        wanted = ", ".join(map(str, JAVA_VERSIONS))
        raise JavaError(f"Java {found or 'of unknown version'} at {java} ({origin}); one of {wanted} is needed", REMEDY)
    return Path(java)


def java_home() -> Path:
    """The folder of the Java in use, with links followed: what JAVA_HOME should be."""
    return find_java().resolve().parent.parent


def java_version(java: Path) -> int | None:
    """The major version that `java -version` prints (1.8 is 8), or None where it prints none."""
    try:
        run = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', run.stderr + run.stdout)
    return int(match[1]) if match else None


def fetch_java() -> Path:
    """Fetch a JDK 17 into the user's cache by jgo's cjdk, and remember it in build/; JavaError where that fails."""
    import cjdk

    try:
        home = cjdk.java_home(vendor="temurin", version=str(JAVA_VERSIONS[0]))
    except Exception as error:  # cjdk lets the network library's own errors through
        raise JavaError(
            f"Java could not be fetched: {error}", "check the network, or install Java 17 yourself"
        ) from None
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    (settings.build_dir / "java-home").write_text(str(home))
    find_java.cache_clear()
    return Path(home)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.infra.java", description="Which Java is used; fetch one.")
    parser.add_argument("--fetch", action="store_true", help="fetch a JDK 17 into the user's cache")
    if parser.parse_args().fetch:
        print(f"fetched: {fetch_java()}")
    print(f"Java {java_version(find_java())}: {find_java()}")


if __name__ == "__main__":
    main()
