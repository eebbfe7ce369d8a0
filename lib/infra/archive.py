"""Class-data archive: the classes of a Java program as they are in memory, so that its next start need not read,
verify and prepare them from jars (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).

`python -m lib.archives` makes one for the broker and one for Spark. Everything works without them, only it starts later.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lib.infra.java import java_home
from lib.settings import Settings

# Java ignores an archive that does not fit its version or its jars. Without these options it would say so, on the
# standard output of Kafka and Spark.
QUIET = ["-Xlog:disable", "-Xlog:all=warning:stderr", "-Xlog:cds=off:stderr", "-Xlog:cds+dynamic=off:stderr"]


def archive_file(settings: Settings, name: str, class_path: Sequence[Path]) -> Path:
    """Where the archive of "broker" or "spark" is, for this Java and these jars, or will be once it is made."""
    release = java_home(settings) / "lib" / "modules"  # another file in each Java, also after an update in place
    parts = [release, release.stat().st_mtime_ns, *class_path]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:12]
    return settings.archive_dir / f"{name}-{key}.jsa"


def archive_options(settings: Settings, name: str, class_path: Sequence[Path]) -> list[str]:
    """The options with which Java uses the archive; none if it does not exist.

    With `settings.record_archives` they make Java write it when it ends, in 5 to 10 seconds.
    """
    archive = archive_file(settings, name, class_path)
    if settings.record_archives:
        return [f"-XX:ArchiveClassesAtExit={archive}", *QUIET]
    return [f"-XX:SharedArchiveFile={archive}", *QUIET] if archive.exists() else []
