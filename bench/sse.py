"""Server-sent events: a thousand listeners, an event a second each, beside uvicorn.

    python -m bench.sse [--clients 1000] [--seconds 60] [--only events/async] [--servers turnout,uvicorn]
    python -m bench.sse --name snapshot-sse                # kept by git: results/snapshot-sse.md

The server has one core, the listeners the other. A row is void if a listener missed an event: had fewer than the
seconds say, less one, in the measured time. CPU is that of the whole process tree, the rest as in README.md. The bars
at the end are the project's own: at most 16 threads, at most half of uvicorn's CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.machine import describe
from bench.processes import Child, Sampler, cpu_seconds, running, wait_until
from bench.servers import Server, variants

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
VIEWS = ("events/async", "events/sync")
MOST_THREADS = 16
MOST_CPU = 0.5


@dataclass
class Row:
    """What one server needed for one view."""

    server: str
    view: str
    events: int
    fewest: int
    threads: int
    rss: int
    pss: int
    cpu: float


class Listener(asyncio.Protocol):
    """One client: counts the events it got."""

    def __init__(self, path: str) -> None:
        self.events = 0
        self.open = False
        self._path = path
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(f"GET /{self._path}/ HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """An event is one write of the server's, never cut: all are small."""
        self.open = self.open or data.startswith(b"HTTP/1.1 200")
        self.events += data.count(b"data: tick")

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


async def listen(port: int, path: str, clients: int, seconds: float, child: Child) -> tuple[list[int], float]:
    """Events that each listener got in the measured time, and the CPU seconds of the server's."""
    loop = asyncio.get_running_loop()
    listeners = []
    for number in range(clients):
        _, listener = await loop.create_connection(lambda: Listener(path), "127.0.0.1", port)
        listeners.append(listener)
        if number % 20 == 0:
            await asyncio.sleep(0.02)
    try:
        deadline = loop.time() + 30
        while not all(listener.open and listener.events for listener in listeners):
            if loop.time() > deadline:
                raise RuntimeError(f"{sum(not each.open for each in listeners)} listeners got no answer")
            await asyncio.sleep(0.1)
        before = [listener.events for listener in listeners]
        cpu = cpu_seconds(child.tree())
        await asyncio.sleep(seconds)
        cpu = cpu_seconds(child.tree()) - cpu
        return [each.events - start for each, start in zip(listeners, before, strict=True)], cpu
    finally:
        for listener in listeners:
            listener.close()


def measure(server: Server, core: int, view: str, clients: int, seconds: float, folder: Path) -> Row:
    """One server, started anew, under one view's listeners."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])}
    child = Child(server.command(port), core=core, env=env, cwd=SITE, log=folder / "log")
    with running(child):
        wait_until(lambda: _answers(port), seconds=30, child=child, what=server.label)
        sampler = Sampler(child)
        sampler.start()
        events, cpu = asyncio.run(listen(port, view, clients, seconds, child))
        most = sampler.stop()
    return Row(server.label, view, sum(events), min(events), most.threads, most.rss, most.pss, cpu)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def main() -> None:
    """Measure, and print a table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="", help="views whose path contains this")
    parser.add_argument("--servers", default="turnout,uvicorn")
    parser.add_argument("--name", help="keep the figures as results/NAME.md")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * arguments.clients + 1000), hard))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    rows = []
    print(f"{'server':10}{'view':16}{'events':>9}{'threads':>9}{'RSS MiB':>9}{'PSS MiB':>9}{'CPU s':>8}{'CPU %':>8}")
    for view in (view for view in VIEWS if arguments.only in view):
        for family in arguments.servers.split(","):
            with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
                server = variants(family, "django")[0]
                row = measure(server, cores[0], view, arguments.clients, arguments.seconds, Path(folder))
            rows.append(row)
            void = "" if row.fewest >= int(arguments.seconds) - 1 else f"  void: a listener got {row.fewest} events"
            share = 100 * row.cpu / arguments.seconds
            sizes = f"{row.rss / 2**20:>9.1f}{row.pss / 2**20:>9.1f}"
            counts = f"{row.events:>9,}{row.threads:>9}"
            print(f"{row.server:10}{row.view:16}{counts}{sizes}{row.cpu:>8.2f}{share:>8.1f}{void}", flush=True)
            time.sleep(0.5)
    verdicts = _judge(rows)
    print("\n".join(verdicts))
    if arguments.name:
        report = _markdown(rows, verdicts, arguments.clients, arguments.seconds)
        (HERE / "results" / f"{arguments.name}.md").write_text(report)


def _judge(rows: list[Row]) -> list[str]:
    rivals = {row.view: row for row in rows if row.server == "uvicorn"}
    verdicts = []
    for row in rows:
        if row.server == "turnout":
            holds = "holds" if row.threads <= MOST_THREADS else "does not hold"
            verdicts.append(f"{row.view}: {row.threads} threads, at most {MOST_THREADS}: {holds}")
            if row.view in rivals:
                ratio = row.cpu / rivals[row.view].cpu
                holds = "holds" if ratio <= MOST_CPU else "does not hold"
                verdicts.append(f"{row.view}: {ratio:.2f} of uvicorn's CPU, at most {MOST_CPU}: {holds}")
    return verdicts


def _markdown(rows: list[Row], verdicts: list[str], clients: int, seconds: float) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in describe().items())
    lines = [
        "# Server-sent events beside uvicorn",
        "",
        f"{machine}.",
        "",
        f"{clients:,} listeners, an event a second each, {seconds:g} s; server and listeners on a core each.",
        "",
        "| view | server | events | threads | RSS MiB | PSS MiB | CPU % | CPU µs an event |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        sizes = f"{row.rss / 2**20:.1f} | {row.pss / 2**20:.1f}"
        cpu = f"{100 * row.cpu / seconds:.1f} | {1e6 * row.cpu / max(row.events, 1):.1f}"
        lines.append(f"| {row.view} | {row.server} | {row.events:,} | {row.threads} | {sizes} | {cpu} |")
    return "\n".join([*lines, "", *(f"- {verdict}" for verdict in verdicts), ""])


if __name__ == "__main__":
    main()
