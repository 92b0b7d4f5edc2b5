"""What one way costs: time alone and in a crowd, and the server's threads and memory while the calls are out."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from turnout import _turnout
from turnout.demo.progress import Progress
from turnout.demo.server import DemoError, Server

QUERY = "city=Lisbon&nights=2"
PATIENCE_SECONDS = 60.0
# Often enough to meet the moment when the most calls are out.
SAMPLE_SECONDS = 0.004


@dataclass
class Figures:
    """One way's. `threads` are those the server had, when the most calls were out, beyond what it has at rest."""

    alone_ms: float
    crowd_ms: float
    threads: int
    memory_mb: float
    failed: int


def measure(server: Server, upstreams: _turnout.LabUpstreams, way: str, at_once: int, progress: Progress) -> Figures:
    """Measure one way in a freshly started server."""
    url = f"{server.url}/search/{way}/?{QUERY}"
    # The async way first: it brings up what the server has at rest, and leaves no pool thread behind that would count.
    send(f"{server.url}/search/gathered/?{QUERY}", 1, server)
    rest = threads_of(server)
    # The first search of a way imports things; it is not what a site feels all day.
    send(url, 1, server)
    progress.step()
    alone = send(url, 1, server)
    progress.step()
    with Peak(server, upstreams) as peak:
        crowd = send(url, at_once, server, progress)
    return Figures(
        alone_ms=alone["latency_ms"]["max"],
        crowd_ms=crowd["seconds"] * 1000,
        threads=max(peak.threads - rest, 0),
        memory_mb=peak.memory_mb,
        failed=alone["errors"]["total"] + crowd["errors"]["total"],
    )


def send(url: str, at_once: int, server: Server, progress: Progress | None = None) -> dict:
    """Send so many requests at once, one each, and report."""
    load = _turnout.LabLoad(url, at_once, at_once, PATIENCE_SECONDS)
    while True:
        # Short waits, so that Ctrl-C is heard.
        report = load.wait(0.05)
        if progress:
            progress.answered(load.answered + load.failed)
        if report is not None:
            break
    report = json.loads(report)
    if not report["requests"]:
        raise DemoError(f"the server did not answer {url}:\n{server.output()}")
    return report


class Peak:
    """Looks at the server's processes from outside, and keeps what it saw when the most calls were out."""

    def __init__(self, server: Server, upstreams: _turnout.LabUpstreams) -> None:
        self._server = server
        self._upstreams = upstreams
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.threads = 0
        self.memory_mb = 0.0

    def __enter__(self) -> Peak:
        """Start to look."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop; what was seen stays."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        most = 0
        while not self._done.wait(SAMPLE_SECONDS):
            out = self._upstreams.in_flight()
            if out > most:
                most, self.threads = out, threads_of(self._server)
            self.memory_mb = max(self.memory_mb, memory_of(self._server))


def threads_of(server: Server) -> int:
    """All threads of the workers, by the kernel's count."""
    return sum(int(status(worker)["Threads"]) for worker in server.workers)


def memory_of(server: Server) -> float:
    """Resident memory of the workers in MB (10^6 bytes)."""
    return sum(int(status(worker)["VmRSS"].split()[0]) for worker in server.workers) * 1024 / 1e6


def status(process: int) -> dict[str, str]:
    """A process's /proc status; zeros once it is gone, which the requests will have noticed."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        lines = []
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return {"Threads": "0", "VmRSS": "0 kB", **found}
