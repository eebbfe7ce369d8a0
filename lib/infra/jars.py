"""Jars that pip does not install, each locked by its SHA-256: the Kafka broker, and Spark's Kafka connector.

Two lock files are in this folder. `broker.lock.toml` has Apache Kafka and a log binding (46 jars), and
`connector.lock.toml` the four jars that Spark needs for Kafka and pip's pyspark lacks. jgo downloads them into the
user's own Maven cache. `python -m lib.infra.jars` downloads what is missing; `--lock` renews the lock files.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from jgo.cli.rich import download_progress_callback
from jgo.env import EnvironmentBuilder, EnvironmentSpec, LockFile
from jgo.maven import Artifact, MavenContext, PythonResolver

from lib.errors import JarError, run
from lib.settings import KAFKA_VERSION

LOCKS = {name: Path(__file__).with_name(f"{name}.lock.toml") for name in ("broker", "connector")}


def jars(name: str) -> list[Path]:
    """The paths of the jars in the lock `name` ("broker" or "connector"), each verified by its SHA-256.

    A jar that is missing or differs is downloaded, in a terminal with a progress bar. Needs no network if all are in
    the cache.
    Raises JarError if a jar cannot be downloaded, or the downloaded one differs from the lock.
    """
    if name == "connector":
        check_connector()
    if wrong(name):
        context = MavenContext()
        context.repo_cache.mkdir(parents=True, exist_ok=True)
        with FileLock(context.repo_cache / ".arqesp-jars.lock"):
            # Only for a terminal: in a notebook rich would put the bars among the cell's outputs.
            bar = download_progress_callback if sys.stderr.isatty() else None
            context.resolver = PythonResolver(progress_callback=bar)
            todo = {jar: sha256 for jar, sha256 in locked(name, context).items() if differs(jar, sha256)}
            print(f"downloading {len(todo)} jar(s) of the {name} into {context.repo_cache}", file=sys.stderr)
            for jar, sha256 in todo.items():
                if jar.cached_path.exists():
                    print(f"{jar.filename} differs from the lock: downloading it again", file=sys.stderr)
                download(jar, sha256)
    return paths(name)


def paths(name: str) -> list[Path]:
    """Where the jars of a lock are, or will be once they are downloaded. Needs no network."""
    return [jar.cached_path for jar in locked(name)]


def wrong(name: str) -> list[Path]:
    """The jars of a lock that are missing from the cache or have another SHA-256. Downloads nothing."""
    return [jar.cached_path for jar, sha256 in locked(name).items() if differs(jar, sha256)]


def locked(name: str, context: MavenContext | None = None) -> dict[Artifact, str]:
    """The jars of a lock, with their SHA-256."""
    context = context or MavenContext()
    return {
        context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact(): jar.sha256
        for jar in LockFile.load(LOCKS[name]).dependencies
    }


def differs(jar: Artifact, sha256: str) -> bool:
    """Whether a jar is missing from the cache or has another SHA-256."""
    path = jar.cached_path
    return not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256


def download(jar: Artifact, sha256: str) -> None:
    """Download a jar into the Maven cache; JarError if there is no network, no such jar, or another SHA-256."""
    jar.cached_path.unlink(missing_ok=True)
    try:
        jar.resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError
        jar.cached_path.unlink(missing_ok=True)
        reason = type(error).__name__
        raise JarError(
            f"{jar.filename} could not be downloaded ({reason})",
            "check the network and any proxy (HTTPS_PROXY), then type: python -m lib.infra.jars. Without a network, "
            "copy the folder .m2/repository of the home directory from a machine where this command has succeeded",
            jar=jar.filename, reason=reason,
        ) from None  # fmt: skip
    if differs(jar, sha256):
        jar.cached_path.unlink()
        raise JarError(
            f"{jar.filename} was downloaded, but its SHA-256 differs from the lock's",
            "try again; if it happens again, something between you and Maven Central changes files: "
            "ask your network's administrator",
            jar=jar.filename, reason="SHA-256",
        )  # fmt: skip


def check_connector() -> None:
    """Raise JarError unless the connector's version is pyspark's: Spark loads no other."""
    import pyspark

    [version] = {jar.version for jar in locked("connector") if jar.artifactId == "spark-sql-kafka-0-10_2.13"}
    if version != pyspark.__version__:
        raise JarError(
            f"the locked Kafka connector is for Spark {version}, but pyspark is {pyspark.__version__}",
            "install the locked packages again (make install), or renew the lock: make lock",
            locked=version, installed=pyspark.__version__,
        )  # fmt: skip


def write_lock(name: str, *coordinates: str, leave_out: frozenset[str] = frozenset()) -> None:
    """Write the lock `name`: all that "group:artifact:version" needs at run time, except the files in `leave_out`."""
    context = MavenContext()
    asked = EnvironmentBuilder(context).spec_to_dependencies(EnvironmentSpec(coordinates=list(coordinates)))
    found = [jar for group in context.resolver.resolve(asked) for jar in group]
    found = sorted((jar for jar in found if jar.artifact.filename not in leave_out), key=str)
    LockFile.from_resolved_dependencies(found).save(LOCKS[name])
    print(f"{LOCKS[name].name}: {len(found)} jars")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.infra.jars", description="Download and verify the jars.")
    parser.add_argument("--lock", action="store_true", help="first renew the lock files from Maven Central")
    if parser.parse_args(argv).lock:
        import pyspark

        shipped = frozenset(path.name for path in (Path(pyspark.__file__).parent / "jars").iterdir())
        # "!": without it log4j's own list of versions would bring an older kafka-clients.
        log_binding = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
        write_lock("broker", f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", log_binding)
        connector = f"org.apache.spark:spark-sql-kafka-0-10_2.13:{pyspark.__version__}"
        write_lock("connector", connector, leave_out=shipped)
    for name in LOCKS:
        print(f"{name}: {len(jars(name))} jars, verified")


if __name__ == "__main__":
    run(main)
