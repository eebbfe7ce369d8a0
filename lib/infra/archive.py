"""Class-data archive: the classes of a Java program as they are in memory, for a faster start.

Without it each start reads, verifies and prepares them from jars (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
Since Java 25 it is an AOT cache, which also has linked classes and profiles of methods (https://openjdk.org/jeps/514).

`python -m lib.class_data` makes one for the broker and one for Spark. Everything works without them, but starts later.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lib.infra.java import home_of
from lib.settings import Settings

# Java ignores an archive that does not fit its version or its jars. Without these options it would say so, on the
# standard output of Kafka and Spark.
QUIET = ["-Xlog:disable", "-Xlog:all=warning:stderr", "-Xlog:cds*=off:stderr"]


class Kind(NamedTuple):
    """A kind of archive: how its file ends, and Java's options to write, to use, and not to speak of it."""

    suffix: str
    write: str
    use: str
    quiet: list[str]


CLASS_DATA = Kind(".jsa", "-XX:ArchiveClassesAtExit", "-XX:SharedArchiveFile", QUIET)
AOT_CACHE = Kind(".aot", "-XX:AOTCacheOutput", "-XX:AOTCache", [*QUIET, "-Xlog:aot*=off:stderr"])


def kind_for(java: Path) -> Kind:
    """The kind that a `java` program makes. Its release file says the version sooner than the program."""
    release = home_of(java) / "release"
    found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text() if release.exists() else "", re.MULTILINE)
    return AOT_CACHE if found and int(found[1]) >= 25 else CLASS_DATA


def prefix(name: str, java: Path, class_path: Sequence[Path]) -> str:
    """How the file of "broker" or "spark" begins for a `java` program and these jars; its size in bytes follows."""
    release = home_of(java) / "lib" / "modules"  # another file in each Java, also after an update in place
    parts = [release, release.stat().st_mtime_ns, *class_path]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
    return f"{name}-{key[:12]}-"


def find_archive(settings: Settings, name: str, java: Path, class_path: Sequence[Path]) -> Path | None:
    """The archive of "broker" or "spark" for a `java` program and these jars, if it exists.

    Java 17 crashes on one that is cut off, as by a full disk: hence the size in its name.
    """
    files = settings.archive_dir.glob(f"{prefix(name, java, class_path)}*{kind_for(java).suffix}")
    return next((file for file in files if file.stem.endswith(f"-{file.stat().st_size}")), None)


def archive_options(settings: Settings, name: str, java: Path, class_path: Sequence[Path]) -> list[str]:
    """The options with which Java uses the archive; none if it does not exist.

    With `settings.record_archives` they make Java write a file NAME.jsa, or NAME.aot, when it ends, in 5 to 20 seconds.
    """
    kind = kind_for(java)
    if settings.record_archives:
        return [f"{kind.write}={settings.archive_dir / name}{kind.suffix}", *kind.quiet]
    archive = find_archive(settings, name, java, class_path)
    return [f"{kind.use}={archive}", *kind.quiet] if archive else []
