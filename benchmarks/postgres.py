"""Temporary PostgreSQL cluster on a free loopback port, as a context manager."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Generator


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, on the PATH or where Debian keeps them; None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        # The PATH may have a link to one of the programs only.
        return Path(found).resolve().parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return kept[-1].parent if kept else None


class Cluster:
    """A cluster that may be stopped and started again. PostgreSQL does not run as root: then `postgres` runs it."""

    def __init__(self, home: Path) -> None:
        """Make it, with nothing in it yet.

        Raises:
            FileNotFoundError: there is no PostgreSQL server here.
            subprocess.CalledProcessError: it could not be made; why is on standard error.
        """
        folder = binaries()
        if folder is None:
            raise FileNotFoundError("no PostgreSQL server: its package is `postgresql`")
        self._folder = folder
        # The account that its package makes.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._home = home
        self._port = free_port()
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(home, account.pw_uid, account.pw_gid)
        self._run("initdb", "--pgdata", self._data, "--username", "mlflow", "--auth", "trust", "--no-sync")

    @property
    def _data(self) -> str:
        return f"{self._home}/data"

    @property
    def uri(self) -> str:
        """MLflow's `--backend-store-uri` for it."""
        return f"postgresql+psycopg2://mlflow@127.0.0.1:{self._port}/mlflow"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._home}"
        log = f"{self._home}/log"
        self._run("pg_ctl", "--pgdata", self._data, "--wait", "--log", log, "--options", settings, "start")

    def create_database(self) -> None:
        """Make MLflow's database, once it runs."""
        self._run("createdb", "--host", "127.0.0.1", "--port", str(self._port), "--username", "mlflow", "mlflow")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` cuts its clients off, `immediate` is as if the machine had gone down."""
        self._run("pg_ctl", "--pgdata", self._data, "--mode", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        # Not subprocess's own `user`: that forks where it would only spawn, and gRPC's threads do not survive a fork.
        prefix = ["setpriv", "--reuid", self._user, "--regid", self._user, "--clear-groups"] if self._user else []
        command = [*prefix, str(self._folder / program), *arguments]
        subprocess.run(command, check=True, cwd=self._home, stdout=subprocess.DEVNULL)


@contextmanager
def cluster() -> Generator[Cluster]:
    """A cluster that runs, with an empty database.

    Raises:
        FileNotFoundError: there is no PostgreSQL server here.
        subprocess.CalledProcessError: it did not start; its words are on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="otel-dspy-postgres-") as home:
        made = Cluster(Path(home))
        made.start()
        try:
            made.create_database()
            yield made
        finally:
            made.stop()


@contextmanager
def postgres() -> Generator[str]:
    """The same; gives MLflow's `--backend-store-uri` for it."""
    with cluster() as running:
        yield running.uri
