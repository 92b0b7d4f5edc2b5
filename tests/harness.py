"""Starts ``turnout serve`` for a test and is told when it is ready: never sleeps, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

#: Two cores may be busy with other tests: far more than a start takes.
START_SECONDS = 60.0
STOP_SECONDS = 30.0
VALIDATED = Path(__file__).resolve().parent / "projects" / "validated"


@dataclass
class Serving:
    """A running ``turnout serve``."""

    process: subprocess.Popen[bytes]
    #: ``http://127.0.0.1:40123`` or ``unix:/tmp/x.sock``, in the order of the binds.
    addresses: list[str] = field(default_factory=list)
    #: The admin socket, likewise; empty where there is none.
    admin: str = ""
    #: Process ids of the workers that were ready first.
    workers: list[int] = field(default_factory=list)
    log_path: Path = Path()
    _last_log: str | None = None

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self.process.pid

    @property
    def url(self) -> str:
        """The first address that is a URL, without a slash at its end."""
        return next(address for address in self.addresses if address.startswith("http"))

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 80)

    @property
    def log(self) -> str:
        """Everything written to standard output and error so far; still there when the server is gone."""
        if self._last_log is not None:
            return self._last_log
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, text: str, *, times: int = 1, seconds: float = START_SECONDS) -> str:
        """Until ``text`` stands so often in the log; the whole log."""
        deadline = time.monotonic() + seconds
        while (log := self.log).count(text) < times:
            if time.monotonic() > deadline or (self.process.poll() is not None and self.log.count(text) < times):
                raise AssertionError(f"never said {text!r} {times} times:\n{log}")
            time.sleep(0.01)
        return log

    def send_signal(self, number: int) -> None:
        """To the supervisor."""
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """The exit status, once it ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s:\n{self.log}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait."""
        self.send_signal(number)
        return self.wait()


@contextmanager
def serve(
    args: Sequence[str] = (), *, cwd: Path | str | None = None, env: Mapping[str, str] | None = None, ready: bool = True
) -> Iterator[Serving]:
    """Run ``turnout serve ARGS`` on a free port in a process group of its own, killed at the end whatever happens.

    ``ready=False`` does not wait: for a server that is meant not to start.
    """
    with tempfile.TemporaryDirectory(prefix="turnout-test-") as folder:
        path = Path(folder, "log")
        read, write = os.pipe()
        command = [sys.executable, "-m", "turnout", "serve", *args, "--ready-fd", str(write)]
        if "--bind" not in args:
            command += ["--bind", "127.0.0.1:0"]
        with path.open("wb") as log, os.fdopen(read, "rb") as told:
            process = _start(command, log, write, cwd, env)
            os.close(write)
            serving = Serving(process, log_path=path)
            try:
                if ready:
                    _wait_until_ready(serving, told)
                yield serving
            finally:
                _end_group(process)
                serving._last_log = serving.log


@contextmanager
def serve_asgi(
    app: str, args: Sequence[str] = (), *, validated: bool, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    """As `serve`; `validated`: with `turnout.testing.asgi_validator` around the app, and a violation fails the test."""
    if not validated:
        with serve([app, *args], cwd=cwd, env=env) as serving:
            yield serving
        return
    path = os.pathsep.join(filter(None, [str(VALIDATED), (env or {}).get("PYTHONPATH")]))
    with serve(["validated:app", *args], cwd=cwd, env={**(env or {}), "VALIDATED": app, "PYTHONPATH": path}) as serving:
        yield serving
        assert "ASGIViolation" not in serving.log, serving.log


def run(
    args: Sequence[str], *, cwd: Path | str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``turnout ARGS`` to its end, for command lines that end by themselves."""
    return subprocess.run(
        [sys.executable, "-m", "turnout", *args],
        cwd=cwd,
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        start_new_session=True,
    )


def _start(
    command: list[str], log: IO[bytes], write: int, cwd: Path | str | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[write],
        start_new_session=True,
    )


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Ours without what would change the server under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "DJANGO_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **(more or {})}


def _wait_until_ready(serving: Serving, told: IO[Any]) -> None:
    readable, _, _ = select.select([told], [], [], START_SECONDS)
    line = told.readline() if readable else b""
    if not line:
        with suppress(subprocess.TimeoutExpired):
            serving.process.wait(5)
        raise AssertionError(f"never became ready (status {serving.process.poll()}):\n{serving.log}")
    facts = json.loads(line)
    serving.addresses, serving.workers, serving.admin = facts["addresses"], facts["workers"], facts["admin"] or ""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    # Workers share the supervisor's process group: nobody survives, even when the supervisor died alone.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
