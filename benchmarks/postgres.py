"""A PostgreSQL cluster of its own on a free loopback port, for as long as a `with` block lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Generator


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, on the PATH or where Debian keeps them; None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        # A link on the PATH may stand alone, without the others.
        return Path(found).resolve().parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return kept[-1].parent if kept else None


@contextmanager
def postgres() -> Generator[str]:
    """Start a cluster with an empty database; give MLflow's `--backend-store-uri` for it.

    PostgreSQL does not run as root: then the account `postgres`, which its package makes, runs it.

    Raises:
        FileNotFoundError: there is no PostgreSQL server here.
        subprocess.CalledProcessError: it did not start; its words are on standard error.
    """
    folder = binaries()
    if folder is None:
        raise FileNotFoundError("no PostgreSQL server: its package is `postgresql`")
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="otel-dspy-postgres-") as home:
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(home, account.pw_uid, account.pw_gid)

        def run(program: str, *arguments: str) -> None:
            subprocess.run([folder / program, *arguments], check=True, user=user, cwd=home, stdout=subprocess.DEVNULL)

        data = f"{home}/data"
        run("initdb", "--pgdata", data, "--username", "mlflow", "--auth", "trust", "--no-sync")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {home}"
        run("pg_ctl", "--pgdata", data, "--wait", "--log", f"{home}/log", "--options", settings, "start")
        try:
            run("createdb", "--host", "127.0.0.1", "--port", str(port), "--username", "mlflow", "mlflow")
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/mlflow"
        finally:
            run("pg_ctl", "--pgdata", data, "--mode", "fast", "stop")
