"""How exact the three states are, against what others know of the same time.

    python -m bench.exactness [--requests 400] [--threads 1,4] [--quota 20]

**Waiting for I/O**: a sync view polls for 10 ms and computes 2 ms, on 1 to 16 threads that are all busy. The poll is
ended by another process, which stamps its write: from the poll's begin to that stamp the request waited for I/O.
**Waiting for CPU** is what is left of the view's own time by the clock on the wall, without that and without what its
thread computed. Then 50 requests are sent while a view computes 300 ms on the loop: they wait for CPU, as long as their
client waits. The bars: 2 % for Waiting for I/O, 5 % for Waiting for CPU, and at most one request in a thousand whose
readings had to be cut down.

With `--quota` the server, once it is up, has so many per cent of one core, as a container may have (quota.py). What it
is made to wait for that is Waiting for CPU: the bars are the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import select
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection

from bench.load import fetch_json
from bench.quota import Quota, quota
from bench.serving import turnout

WAIT_NS = 10_000_000
THREADS = (1, 2, 4, 8, 16)
PARTS = ("processing", "run_queue", "gil", "loop_queue", "no_thread_cpu", "no_thread_io", "client", "io")
CPU = ("run_queue", "gil", "loop_queue", "no_thread_cpu")
IO_BAR, CPU_BAR, CLAMPED_BAR = 0.02, 0.05, 0.001
#: Where there is less of it, the stamps themselves are more than its bar.
LEAST_CPU_MS = 1.0


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400, help="for each number of threads")
    parser.add_argument("--threads", default=",".join(map(str, THREADS)), help="how many are busy, row by row")
    parser.add_argument("--quota", type=int, metavar="PERCENT", help="of one core, for the whole server")
    options = parser.parse_args()
    failed = 0
    print(f"CPython {platform.python_version()}, load before {os.getloadavg()[0]:.1f}\n")
    print("| busy threads | W true, ms | W said | off | C true, ms | C said | off | clamped | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with helper() as address:
        for threads in map(int, options.threads.split(",")):
            failed += on_threads(address, threads, options.requests, options.quota)
    if options.quota is None:
        failed += on_the_loop()
    print(f"\nload after {os.getloadavg()[0]:.1f}")
    return 1 if failed else 0


def on_threads(helper: str, threads: int, requests: int, percent: int | None) -> int:
    """One row of the table; 1 if a bar does not hold."""
    with (
        quota(percent) if percent is not None else nullcontext() as limited,
        served("--threads", str(threads), limited=limited, EXACT_HELPER=helper) as port,
    ):
        clients(port, "/poll/", threads, 4)
        before = fetch_json(port, "/figures/")
        took = clients(port, "/poll/", threads, max(1, requests // threads))
        after = settled(port, "exact.poll", before, len(took))
        stopped = f" ({limited.periods()[1]} of {limited.periods()[0]} periods cut short)" if limited else ""
    _, counts = difference(before, after, "exact.poll")
    truth, said = mean(before, after, "truth"), mean(before, after, "said")
    waited, cpu = said["io"], sum(said[name] for name in CPU)
    true_cpu = truth["wall"] - truth["waited"] - truth["computed"]
    off_io, off_cpu = waited / truth["waited"] - 1, cpu / true_cpu - 1
    clamped = counts[2] / counts[0]
    good = abs(off_io) <= IO_BAR and clamped <= CLAMPED_BAR and (true_cpu < LEAST_CPU_MS or abs(off_cpu) <= CPU_BAR)
    cells = [
        f"{threads}",
        f"{truth['waited']:.3f}",
        f"{waited:.3f}",
        f"{off_io:+.1%}",
        f"{true_cpu:.3f}",
        f"{cpu:.3f}",
        f"{off_cpu:+.1%}",
        f"{clamped:.2%}",
        ("holds" if good else "**missed**") + stopped,
    ]
    print(f"| {' | '.join(cells)} |", flush=True)
    return int(not good)


def mean(before: dict, after: dict, what: str) -> dict[str, float]:
    """Milliseconds a request, of what came between."""
    requests = after["truth"]["requests"] - before["truth"]["requests"]
    return {name: (after[what][name] - before[what][name]) / requests / 1e6 for name in after[what]}


def on_the_loop(count: int = 50) -> int:
    """Requests that come while the loop computes."""
    with served() as port:
        clients(port, "/brief/", 4, 10)
        before = fetch_json(port, "/figures/")
        connections = [HTTPConnection("127.0.0.1", port) for _ in range(count)]
        for connection in connections:
            connection.connect()
        computing = threading.Thread(target=clients, args=(port, "/long/", 1, 1))
        computing.start()
        time.sleep(0.05)
        sent = []
        for connection in connections:
            sent.append(time.monotonic())
            connection.request("GET", "/brief/")
        took = []
        for connection, since in zip(connections, sent, strict=True):
            connection.getresponse().read()
            took.append(time.monotonic() - since)
            connection.close()
        computing.join()
        after = settled(port, "exact.brief", before, count)
    said, counts = difference(before, after, "exact.brief")
    cpu = sum(said[name] for name in CPU)
    true = sum(took) / count * 1e3 - said["processing"]
    good = abs(cpu / true - 1) <= CPU_BAR and counts[2] == 0
    print(
        f"\n{count} requests while a view computes 300 ms on the loop: C true {true:.1f} ms, said {cpu:.1f} "
        f"({cpu / true - 1:+.1%}): {'holds' if good else '**missed**'}"
    )
    return int(not good)


def difference(before: dict, after: dict, view: str) -> tuple[dict[str, float], list[int]]:
    """Milliseconds a request by part, and the counts, of what came between."""
    empty = {"counts": [0] * 4, "parts": [0] * len(PARTS)}
    first, then = before["views"].get(view, empty), after["views"][view]
    counts = [late - early for early, late in zip(first["counts"], then["counts"], strict=True)]
    parts = [(late - early) / counts[0] / 1e6 for early, late in zip(first["parts"], then["parts"], strict=True)]
    return dict(zip(PARTS, parts, strict=True)), counts


def settled(port: int, view: str, before: dict, requests: int) -> dict:
    """The figures once all those requests have ended, which is just after their answers were sent."""
    start = before["views"].get(view, {"counts": [0]})["counts"][0]
    until = time.monotonic() + 10
    while True:
        found = fetch_json(port, "/figures/")
        if found["views"][view]["counts"][0] >= start + requests:
            return found
        if time.monotonic() > until:
            raise RuntimeError(f"{view}: not all of {requests} requests were counted")


def clients(port: int, target: str, count: int, requests: int) -> list[float]:
    """So many at once, each sending so many one after the other; how long each took."""
    took: list[float] = []

    def run() -> None:
        connection = HTTPConnection("127.0.0.1", port)
        for _ in range(requests):
            began = time.monotonic()
            connection.request("GET", target)
            response = connection.getresponse()
            response.read()
            took.append(time.monotonic() - began)
            if response.status != 200:
                raise RuntimeError(f"{target} answered {response.status}")
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


@contextmanager
def served(*options: str, limited: Quota | None = None, **environment: str) -> Iterator[int]:
    with turnout("exact:asgi", *options, environment=environment, ready=("truth", "/figures/")) as server:
        if limited is not None:
            limited.take(server.child.tree())
        yield server.port


@contextmanager
def helper() -> Iterator[str]:
    """A process that answers each byte 10 ms later with the stamp of its answer."""
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        address = f"{folder}/helper"
        ready = multiprocessing.Event()
        process = multiprocessing.Process(target=_help, args=(address, ready), daemon=True)
        process.start()
        try:
            if not ready.wait(10):
                raise RuntimeError("the helper did not start")
            yield address
        finally:
            process.kill()
            process.join()


def _help(address: str, ready: object) -> None:
    # A wake-up that is late makes a wait longer, and is stamped: it spoils nothing.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    listener.setblocking(False)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    connections: dict[int, socket.socket] = {}
    due: list[tuple[int, int]] = []
    ready.set()  # type: ignore[attr-defined]
    while True:
        timeout = max(0, due[0][0] - time.monotonic_ns()) / 1e6 if due else None
        for fd, _ in poller.poll(timeout):
            if fd == listener.fileno():
                connection, _peer = listener.accept()
                connections[connection.fileno()] = connection
                poller.register(connection, select.POLLIN)
            elif connections[fd].recv(1):
                due.append((time.monotonic_ns() + WAIT_NS, fd))
            else:
                poller.unregister(fd)
                connections.pop(fd).close()
        while due and due[0][0] <= time.monotonic_ns():
            _, fd = due.pop(0)
            if fd in connections:
                connections[fd].send(struct.pack("q", time.monotonic_ns()))


if __name__ == "__main__":
    sys.exit(main())
