"""The load: wrk with a browser's headers, and one look at an answer to compare it between servers."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("browser.lua")
# A request may wait for a second at the upstream and for its turn before that; slower than this is an error.
PATIENCE = 30


@dataclass(frozen=True)
class Load:
    """A stream of requests: every connection sends the next one when it has its answer."""

    path: str
    connections: int


@dataclass
class Figures:
    """What one stream saw."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    first_error: str
    # The share of a core that the load generator itself took.
    generator: float

    @property
    def rps(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


class Stream:
    """A running wrk."""

    def __init__(self, load: Load, port: int, seconds: float, core: int | None) -> None:
        # wrk counts whole seconds.
        whole = str(max(1, round(seconds)))
        argv = ["wrk", "-t1", f"-c{load.connections}", f"-d{whole}s", f"--timeout={PATIENCE}s", "-s", str(SCRIPT)]
        pin = ["taskset", "--cpu-list", str(core)] if core is not None else []
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [*pin, *argv, f"http://127.0.0.1:{port}{load.path}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Ends a run that nobody waits for any more; does nothing after its end."""
        if self._process.returncode is None:
            self._process.kill()

    def figures(self) -> Figures:
        """Waits for the end of the run."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        _, status, used = os.wait4(self._process.pid, 0)
        wall = time.monotonic() - self._began
        self._process.returncode = os.waitstatus_to_exitcode(status)
        line = next((line for line in said.splitlines() if line.startswith("WRK ")), None)
        if line is None:
            raise RuntimeError(f"wrk failed: {said.strip()}")
        seen = json.loads(line.removeprefix("WRK "))
        errors = {kind: seen[kind] for kind in ("connect", "read", "write", "status", "timeout") if seen[kind]}
        return Figures(
            requests=seen["requests"],
            seconds=seen["microseconds"] / 1e6,
            p50=seen["p50"] / 1e3,
            p99=seen["p99"] / 1e3,
            errors=sum(errors.values()),
            first_error=", ".join(f"{count} {kind}" for kind, count in errors.items()),
            generator=(used.ru_utime + used.ru_stime) / wall,
        )


def together(loads: list[Load], port: int, seconds: float, core: int | None) -> list[Figures]:
    """Runs the streams at once; the figures come in their order."""
    streams = [Stream(load, port, seconds, core) for load in loads]
    figures: list[Figures | BaseException | None] = [None] * len(streams)

    def collect(index: int) -> None:
        try:
            figures[index] = streams[index].figures()
        except Exception as error:
            figures[index] = error

    threads = [threading.Thread(target=collect, args=(index,)) for index in range(len(streams))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        for stream in streams:
            stream.stop()
    done: list[Figures] = []
    for figure in figures:
        if isinstance(figure, BaseException):
            raise figure
        assert figure is not None
        done.append(figure)
    return done


# Hop-by-hop fields say how the connection goes on, not what was answered; the other two name the moment and the server.
NOT_COMPARED = {"connection", "date", "keep-alive", "server"}


def answer(port: int, path: str) -> dict[str, object]:
    """One answer, without what may differ between servers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=_browser_headers())
        response = connection.getresponse()
        body = response.read()
        headers = sorted((name.lower(), value) for name, value in response.getheaders())
        kept = [[name, value] for name, value in headers if name not in NOT_COMPARED]
        return {"status": response.status, "headers": kept, "body": body.decode("latin-1")}
    finally:
        connection.close()


def fetch_json(port: int, path: str) -> dict[str, float]:
    """A small JSON document, for the facts of the process."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def tells(port: int, key: str, path: str = "/facts/") -> bool:
    """Whether the server is up, which its document with this key shows."""
    try:
        return key in fetch_json(port, path)
    except (OSError, ValueError):
        return False


def _browser_headers() -> dict[str, str]:
    """The headers of browser.lua, which is their one home."""
    headers = {}
    for line in SCRIPT.read_text().splitlines():
        if line.startswith("wrk.headers["):
            name, _, value = line.removeprefix('wrk.headers["').partition('"] = ')
            headers[name] = value.strip('"')
    return headers
