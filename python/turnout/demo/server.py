"""The example project and the server it runs in: `turnout serve`, through the public command, as a child process."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 5.0


class DemoError(Exception):
    """What ends the demo, in one line for its user."""


class Project:
    """examples/hotels with a database of its own."""

    def __init__(self, example: Path, directory: Path, upstreams_url: str) -> None:
        self.example = example
        self.directory = directory
        self.environment = {
            **os.environ,
            "HOTELS_DATABASE": str(directory / "hotels.sqlite3"),
            "HOTELS_UPSTREAMS_URL": upstreams_url,
            "HOTELS_SECRET_KEY": secrets.token_urlsafe(40),
            "HOTELS_DEBUG": "0",
            "DJANGO_SETTINGS_MODULE": "aggregator.settings",
            # The example may lie where this user must not write.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # The settings of another server, in this shell, are not meant for this one.
        for name in [name for name in self.environment if name.startswith("TURNOUT_")]:
            del self.environment[name]

    def migrate(self) -> None:
        """Make the database."""
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        done = subprocess.run(
            command, cwd=self.example, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoError(f"the database could not be made:\n{done.stderr}")


class Server:
    """`with Server(...) as server:` starts it, waits until it is ready, and ends its whole process group."""

    def __init__(self, project: Project, bind: str, fallback: str | None = None, *, admin: bool = False) -> None:
        self._project = project
        # Of the admin socket, which knows where the time of requests goes.
        self._token = secrets.token_urlsafe(24) if admin else ""
        #: Logs a browser in there; empty where it is not open.
        self.admin_link = ""
        self._binds = [bind, *([fallback] if fallback else [])]
        self._log = project.directory / f"server-{secrets.token_hex(4)}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.workers: list[int] = []

    def __enter__(self) -> Server:
        """Start it; try the second address if the first is taken."""
        for bind in self._binds:
            if self._start(bind):
                return self
        raise DemoError(f"the server did not start:\n{self.output()}")

    def __exit__(self, *_error: object) -> None:
        """End it, and whatever is left of its group."""
        self._stop()

    def output(self) -> str:
        """What the server said last."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    def wait(self) -> None:
        """Return when the server ends by itself, which is an error."""
        assert self._process is not None
        self._process.wait()
        raise DemoError(f"the server ended:\n{self.output()}")

    def _start(self, bind: str) -> bool:
        read, write = os.pipe()
        command = [sys.executable, "-m", "turnout", "serve", "--bind", bind, "--ready-fd", str(write)]
        if self._token:
            file = self._project.directory / "admin-token"
            file.touch(mode=0o600)
            file.write_text(self._token)
            command += ["--admin", "127.0.0.1:0", "--admin-token-file", str(file)]
            command += ["--history", str(self._project.directory / "history.sqlite3")]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._project.example,
                    env=self._project.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write],
                    start_new_session=True,
                )
        finally:
            os.close(write)
        try:
            ready = read_line(read, READY_SECONDS)
        except BaseException:
            self._stop()
            raise
        finally:
            os.close(read)
        if not ready:
            self._stop()
            return False
        told = json.loads(ready)
        self.url, self.workers = told["addresses"][0], told["workers"]
        if self._token:
            self.admin_link = f"{told['admin']}/login?token={self._token}"
        return True

    def _stop(self) -> None:
        """Drain, then kill: the group is gone when this returns."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def read_line(descriptor: int, seconds: float) -> bytes:
    """One line of a pipe; nothing if its writer went away or took too long."""
    line, end = b"", time.monotonic() + seconds
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(end - time.monotonic(), 0))
        more = os.read(descriptor, 4096) if ready else b""
        if not more:
            return b""
        line += more
    return line
