"""A server of somebody else's as a child of the tests: unprivileged, in a folder, on a port and in a group of its own.

It ends with the tests, also when pytest is killed. Nothing here knows a database.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

#: Far more than a start or an end takes on two busy cores.
SECONDS = 60.0
#: Between the choice of a free port and its use somebody else may take it.
ATTEMPTS = 3
#: Who runs it where we are root, for whom PostgreSQL does not work.
UNPRIVILEGED = "nobody"

T = TypeVar("T")


class Server:
    """A running server. Subclasses say how a folder is prepared and what is run there."""

    #: As a person calls it, and the Debian packages that `scripts/prerequisites --install` brings.
    title = ""
    packages = ""
    #: What ends it cleanly enough for a folder that is deleted next.
    ending = signal.SIGKILL
    host = "127.0.0.1"
    port = 0

    def prepare(self) -> None:
        """Fill the empty folder."""

    def command(self) -> list[str]:
        """What is run; it listens on `host` and `port` and tells by `NOTIFY_SOCKET` that it is ready."""
        raise NotImplementedError

    def connect(self) -> None:
        """It is ready: whatever the counting needs."""

    def disconnect(self) -> None:
        """It is about to end."""

    def __enter__(self) -> Server:
        self.folder = Path(tempfile.mkdtemp(prefix=f"turnout-{type(self).__name__.lower()}-"))
        try:
            if os.getuid() == 0:
                user = pwd.getpwnam(UNPRIVILEGED)
                os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.prepare()
            self._start()
            self.connect()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.disconnect()
        self._end()

    @property
    def log_path(self) -> Path:
        """What it wrote to standard output and error."""
        return self.folder / "log"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def run(self, command: Sequence[str]) -> None:
        """Something that prepares the folder, to its end."""
        done = subprocess.run(
            [*self._dropping_privileges(), *command],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)

    def find(self, name: str, *patterns: str) -> str:
        """A program of the server, on the PATH or where Debian keeps it; of several the newest."""
        places = [path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))]
        found = max(places, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)
        program = str(found) if found else shutil.which(name)
        if program is None:
            pytest.fail(
                f"{self.title} is missing ({name}): scripts/prerequisites --install, or apt install {self.packages}",
                pytrace=False,
            )
        return program

    _process: subprocess.Popen[bytes] | None = None

    def _start(self) -> None:
        for _ in range(ATTEMPTS):
            self.port = _free_port()
            if self._became_ready():
                return
            self._kill()
            if "in use" not in self.log:
                break
        pytest.fail(f"{self.title} does not start:\n{self.log}", pytrace=False)

    def _became_ready(self) -> bool:
        """As systemd is told it: a datagram to the socket that NOTIFY_SOCKET names."""
        path = self.folder / "ready"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, self.log_path.open("ab") as log:
            told.bind(str(path))
            path.chmod(0o777)
            told.settimeout(0.1)
            self._process = subprocess.Popen(
                [*self._dropping_privileges(), *self.command()],
                cwd=self.folder,
                env={**self._environment(), "NOTIFY_SOCKET": str(path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline and self._process.poll() is None:
                with suppress(TimeoutError):
                    if b"READY=1" in told.recv(4096):
                        return True
        return False

    def _dropping_privileges(self) -> list[str]:
        # The kernel signals it when the thread that started it is gone: nothing stays when pytest is killed.
        dying = ["setpriv", "--pdeathsig", self.ending.name.removeprefix("SIG")]
        if os.getuid() != 0:
            return dying
        group = pwd.getpwnam(UNPRIVILEGED).pw_gid
        return [*dying, f"--reuid={UNPRIVILEGED}", f"--regid={group}", "--clear-groups"]

    def _environment(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**kept, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(self.ending)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _end(self) -> None:
        self._kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(what: Callable[[], T], wanted: Callable[[T], bool], seconds: float = SECONDS) -> T:
    """Ask until the answer is as wanted, or the time is up; the last answer.

    A server takes a moment to notice that a client has closed, and nothing tells when it has.
    """
    deadline = time.monotonic() + seconds
    while not wanted(answer := what()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
