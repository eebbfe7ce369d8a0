"""Java for Kafka and Spark: find an installed one, or download one.

`python -m lib.infra.java` prints which Java is used; `python -m lib.infra.java --fetch` downloads one.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.errors import JavaError, run
from lib.settings import JAVA_VERSIONS, Settings

QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # of programs that do little work: they are ready sooner
LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")  # for every Java process, broker or Spark
REMEDY = (
    "install Java 17 (conda: conda install -c conda-forge openjdk=17; Debian: apt install default-jre-headless), "
    "or let the course download one for itself: python -m lib.infra.java --fetch"
)


def find_java(settings: Settings) -> Path:
    """The `java` program to use.

    It is the downloaded one if that still exists, else JAVA_HOME's if that is set. Without JAVA_HOME it is the one in
    this Python's conda environment, active or not, else the one on PATH.

    Raises JavaError if there is none, if JAVA_HOME is set and has none, or if it is not Java 17, 21 or 25.
    """
    home, downloaded = os.environ.get("JAVA_HOME"), settings.build_dir / "java-home"
    places = [f"{home}/bin"] if home else [f"{sys.prefix}/bin", f"{sys.prefix}/Library/bin", os.environ.get("PATH", "")]
    if downloaded.exists():
        places.insert(0, f"{downloaded.read_text()}/bin")
    java = shutil.which("java", path=os.pathsep.join(places))
    if not java:
        where, first = (f"in JAVA_HOME={home}", "unset JAVA_HOME, or ") if home else ("on PATH", "")
        raise JavaError(f"Kafka and Spark need Java, and there is none {where}", first + REMEDY, home=home)
    found = java_version(Path(java))
    if found not in JAVA_VERSIONS:
        what = f"Java {found or 'of unknown version'} at {java}{f' (JAVA_HOME={home})' if home else ''}"
        wanted = ", ".join(map(str, JAVA_VERSIONS))
        raise JavaError(f"{what}; one of {wanted} is needed", REMEDY, version=found, java=java)
    return Path(java)


def java_home(settings: Settings) -> Path:
    """The folder of the Java in use, with links followed: what JAVA_HOME should be."""
    return home_of(find_java(settings))


def home_of(java: Path) -> Path:
    """The folder of a `java` program, with links followed."""
    return java.resolve().parent.parent


def java_version(java: Path) -> int | None:
    """The major version that `java -version` prints (1.8 is 8), or None if it prints none."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match else None


def fetch_java(settings: Settings) -> Path:
    """Download a JDK into the user's cache, and record its path in the build folder; JavaError if that fails."""
    import cjdk

    version = str(JAVA_VERSIONS[0])
    try:
        home = cjdk.java_home(vendor="temurin", version=version)
    except Exception as error:  # cjdk lets the network library's own errors through
        remedy = f"check the network, or install Java {version} yourself"
        raise JavaError(f"Java could not be downloaded: {error}", remedy) from None
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    (settings.build_dir / "java-home").write_text(str(home))
    return Path(home)


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m lib.infra.java", description="Print which Java is used.")
    parser.add_argument("--fetch", action="store_true", help="download a JDK into the user's cache first")
    if parser.parse_args(argv).fetch:
        print(f"downloaded: {fetch_java(settings)}")
    java = find_java(settings)
    print(f"Java {java_version(java)}: {java}")


if __name__ == "__main__":
    run(main)
