"""Class-data archive: the classes of a Java program as they are in memory, for a faster start.

Without it each start reads, verifies and prepares them from jars (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).

`python -m lib.class_data` makes one for the broker and one for Spark. Everything works without them, but starts later.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lib.infra.java import home_of
from lib.settings import Settings

# Java ignores an archive that does not fit its version or its jars. Without these options it would say so, on the
# standard output of Kafka and Spark.
QUIET = ["-Xlog:disable", "-Xlog:all=warning:stderr", "-Xlog:cds=off:stderr", "-Xlog:cds+dynamic=off:stderr"]


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
    files = settings.archive_dir.glob(f"{prefix(name, java, class_path)}*.jsa")
    return next((file for file in files if file.stem.endswith(f"-{file.stat().st_size}")), None)


def archive_options(settings: Settings, name: str, java: Path, class_path: Sequence[Path]) -> list[str]:
    """The options with which Java uses the archive; none if it does not exist.

    With `settings.record_archives` they make Java write a file NAME.jsa when it ends, in 5 to 10 seconds.
    """
    if settings.record_archives:
        return [f"-XX:ArchiveClassesAtExit={settings.archive_dir / name}.jsa", *QUIET]
    archive = find_archive(settings, name, java, class_path)
    return [f"-XX:SharedArchiveFile={archive}", *QUIET] if archive else []
