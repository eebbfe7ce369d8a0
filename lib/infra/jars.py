"""Beside the tweet's way: the jars that pip does not bring, locked and verified.

Two locks lie beside this file: `broker.lock.toml` (an Apache Kafka broker with its log binding, 46 jars) and
`connector.lock.toml` (the four that Spark needs to read Kafka beyond those in pip's pyspark). jgo fetches them into
the user's own Maven cache. `python -m lib.infra.jars` fetches what is missing; `--lock` renews the locks.
"""

import argparse
from pathlib import Path

from filelock import FileLock

from lib.errors import JarError
from lib.settings import KAFKA_VERSION

LOCKS = {name: Path(__file__).with_name(f"{name}.lock.toml") for name in ("broker", "connector")}


def jars(name: str) -> list[Path]:
    """The paths of the jars in the lock `name` ("broker" or "connector"), each verified by its SHA-256.

    What is missing or differs is fetched, with a progress bar. Needs no network when all is there.
    Raises JarError where a jar cannot be fetched or is again not the one that was locked.
    """
    from jgo.env import LockFile
    from jgo.maven import MavenContext, PythonResolver

    lock = LockFile.load(LOCKS[name])
    if name == "connector":
        check_connector(lock)
    context = MavenContext()
    artifacts = {
        dependency: context.project(dependency.groupId, dependency.artifactId).at_version(dependency.version).artifact()
        for dependency in lock.dependencies
    }
    if lock.verify_checksums(context.repo_cache):
        context.repo_cache.mkdir(parents=True, exist_ok=True)
        with FileLock(context.repo_cache / ".arqesp-jars.lock"), progress_bars() as progress:
            context.resolver = PythonResolver(progress_callback=progress.callback)
            todo = [(d, a) for d, a in artifacts.items() if is_wrong(d, context)]
            progress.say(f"fetching {len(todo)} jar(s) of the {name} into {context.repo_cache}")
            for dependency, artifact in todo:
                if artifact.cached_path.exists():
                    progress.say(f"{artifact.filename} is not the jar that was locked: fetching it again")
                    artifact.cached_path.unlink()
                fetch(artifact)
                if is_wrong(dependency, context):
                    artifact.cached_path.unlink()
                    raise JarError(
                        f"{artifact.filename} was fetched, but is not the jar that was locked (its SHA-256 differs)",
                        "try again; if it happens again, something between you and Maven Central changes files: "
                        "ask your network's administrator",
                    )
    return [artifact.cached_path for artifact in artifacts.values()]


def paths(name: str) -> list[Path]:
    """Where the jars of a lock are, or will be once they are fetched. Needs no network."""
    from jgo.env import LockFile
    from jgo.maven import MavenContext

    cache = MavenContext().repo_cache
    locked = LockFile.load(LOCKS[name]).dependencies
    return [
        cache / d.groupId.replace(".", "/") / d.artifactId / d.version / f"{d.artifactId}-{d.version}.jar"
        for d in locked
    ]


def wrong(name: str) -> list[Path]:
    """The jars of a lock that are missing from the cache or have another SHA-256. Fetches nothing."""
    from jgo.env import LockFile
    from jgo.maven import MavenContext

    context = MavenContext()
    return [
        p for d, p in zip(LockFile.load(LOCKS[name]).dependencies, paths(name), strict=True) if is_wrong(d, context)
    ]


def is_wrong(dependency, context) -> bool:
    """Whether the jar of this locked dependency is missing from the cache or has another SHA-256."""
    from jgo.env import LockFile

    return bool(LockFile([dependency]).verify_checksums(context.repo_cache))


def fetch(artifact) -> None:
    """Download one jar into the Maven cache; JarError where there is no network or no such jar."""
    try:
        artifact.resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError
        artifact.cached_path.unlink(missing_ok=True)
        raise JarError(
            f"{artifact.filename} could not be fetched ({type(error).__name__})",
            "check the network and any proxy (HTTPS_PROXY), then type: python -m lib.infra.jars. Without a network, "
            "copy the folder .m2/repository of the home directory from a machine where this command has succeeded",
        ) from None


def progress_bars():
    """A rich Progress on standard error, with the `callback` that jgo's resolver reports each download to."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    class Bars(Progress):
        @contextmanager
        def callback(self, filename: str, size: int):
            task = self.add_task(f"  {filename}", total=size)
            yield lambda count: self.advance(task, count)
            self.remove_task(task)

        def say(self, text: str) -> None:
            self.console.print(text, highlight=False, soft_wrap=True)

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Bars(*columns, console=Console(stderr=True, force_jupyter=False), transient=True)


def check_connector(lock) -> None:
    """JarError unless the connector's version is pyspark's: Spark loads no other."""
    import pyspark

    locked = {dependency.artifactId: dependency.version for dependency in lock.dependencies}
    version = locked["spark-sql-kafka-0-10_2.13"]
    if version != pyspark.__version__:
        raise JarError(
            f"the locked Kafka connector is of Spark {version}, but pyspark is {pyspark.__version__}",
            "install the locked packages again (make install), or renew the lock: make lock",
        )


def renew_locks() -> None:
    """Resolve both sets of jars anew, with what Maven Central says today, and write their locks."""
    import pyspark

    shipped = {path.name for path in (Path(pyspark.__file__).parent / "jars").iterdir()}
    # "!": without it log4j's own list of versions would bring an older kafka-clients.
    write_lock(
        "broker", f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
    )
    write_lock("connector", f"org.apache.spark:spark-sql-kafka-0-10_2.13:{pyspark.__version__}", leave_out=shipped)


def write_lock(name: str, endpoint: str, leave_out: set[str] = frozenset()) -> None:
    """Write the lock `name` with the runtime closure of a jgo endpoint, less the files to leave out."""
    from jgo import EnvironmentBuilder
    from jgo.env import LockFile
    from jgo.maven import MavenContext
    from jgo.parse import Endpoint

    context = MavenContext()
    # jgo has no public way from an endpoint to its dependencies without building a folder of links.
    asked = EnvironmentBuilder(context)._coordinates_to_dependencies(Endpoint.parse(endpoint).coordinates)
    found = [d for group in context.resolver.resolve(asked) for d in group if d.artifact.filename not in leave_out]
    LockFile.from_resolved_dependencies(sorted(found, key=str)).save(LOCKS[name])
    print(f"{LOCKS[name].name}: {len(found)} jars")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.infra.jars", description="Fetch and verify the locked jars.")
    parser.add_argument("--lock", action="store_true", help="renew the locks from Maven Central")
    if parser.parse_args().lock:
        renew_locks()
    for name in LOCKS:
        print(f"{name}: {len(jars(name))} jars, verified")


if __name__ == "__main__":
    main()
