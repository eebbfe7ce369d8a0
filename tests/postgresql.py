"""PostgreSQL server for the tests, in a folder of its own: on 127.0.0.1 at a free port, with a new password.

pytest-postgresql has the same, but refuses to work for root, as in a container; PostgreSQL itself does too.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa

from lib.infra.ports import free_port

USER = "tester"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl: that of PATH, or of Debian's newest version, which is not on PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)


class Server:
    """A server with an administrator USER; `start()` and `stop()` it as often as needed, and `remove()` it at last."""

    def __init__(self) -> None:
        reached = "/tmp" if os.getuid() == 0 else None  # root's TMPDIR may be closed to the user postgres
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="arqesp-postgresql-", dir=reached)), free_port()
        self.password = secrets.token_urlsafe(12)
        (self.folder / "password").write_text(self.password)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
            shutil.chown(self.folder / "password", "postgres")
        self.type("initdb", "-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync",
                  f"--pwfile={self.folder / 'password'}")  # fmt: skip

    def type(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL on the server's data, as the user postgres if this one is root."""
        other = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*other, str(programs() / program), "-D", str(self.folder / "data"), *arguments]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}  # a server would keep a pipe open
        subprocess.run(command, check=True, cwd="/", env={"PATH": os.environ["PATH"]}, **quiet)

    def start(self) -> None:
        """Start it; it answers then. Without fsync only a power cut could lose something."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.type("pg_ctl", "start", "--wait", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" ends its connections, "immediate" its processes, as a crash does."""
        self.type("pg_ctl", "stop", "--wait", "-m", mode)

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def url(self, database: str, user: str = USER, password: str | None = None) -> str:
        """The URL of a database, with its password."""
        url = sa.URL.create(
            "postgresql+psycopg", user, password or self.password, "127.0.0.1", self.port, database=database
        )
        return url.render_as_string(hide_password=False)

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Execute a statement outside a transaction, as the administrator."""
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
