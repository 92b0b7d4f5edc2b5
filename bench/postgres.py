"""A PostgreSQL of the measurement's own: in a folder that is deleted, on a free port, on the load's core."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.processes import Child, running, wait_until

USER = "bench"


@contextlib.contextmanager
def postgres(core: int | None) -> Iterator[dict[str, object]]:
    """Runs it; the value is an entry of Django's DATABASES."""
    # It refuses to run for root.
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    drop = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"] if owner else []
    folder = Path(tempfile.mkdtemp(prefix="turnout-bench-postgres-"))
    try:
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = str(folder / "data")
        initdb = [*drop, _program("initdb"), "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--locale=C.UTF-8"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        argv = [*drop, _program("postgres"), "-D", data, *options, "-c", "max_connections=200", "-c", "fsync=off"]
        child = Child(argv, core=core, env=os.environ, cwd=folder, log=Path(f"{folder}.log"))
        with running(child):
            wait_until(lambda: _answers(port), seconds=30, child=child, what="PostgreSQL")
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": "127.0.0.1",
                "PORT": port,
                "USER": USER,
                "NAME": "postgres",
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.log").unlink(missing_ok=True)


def fill(site: Path, database: dict[str, object]) -> None:
    """Make the site's tables, and the one user that its views read."""
    environment = {**os.environ, "BENCH_DATABASE": json.dumps(database)}
    one_user = "from django.contrib.auth.models import User; User.objects.create_user('reader')"
    for command in (["migrate", "--verbosity=0"], ["shell", "-c", one_user]):
        done = [sys.executable, "manage.py", *command]
        subprocess.run(done, cwd=site, env=environment, check=True, stdout=subprocess.DEVNULL)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user=USER, dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _program(name: str) -> str:
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)
    if found is None:
        raise SystemExit(f"PostgreSQL is missing ({name}): it is in Debian's package postgresql")
    return found
