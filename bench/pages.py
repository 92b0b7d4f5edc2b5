"""What live pages cost the workers: CPU time a request with a hundred of them open and with none, by turns.

    python -m bench.pages [--rounds 10] [--seconds 2]

The pages are the streams that a dashboard reads, each drained as it comes. The worker has a core of its own, and its
CPU is what counts, by the system's clock of its process; beside it stands what the process that serves the pages takes
of a core. The bar is that the worker's is unchanged: the median of the differences within 2 %.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.load import Load, fetch_json, together
from bench.measure import free_port
from bench.processes import Child, cpu_seconds
from bench.serving import MYSITE, turnout

TOKEN = "the-token-of-the-pages-bench"
PAGES = 100
BAR = 0.02
LOAD = Load("/json/sync/", 32)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    alone, watched = [], []
    serving = []
    with served() as (port, admin, child):
        worker = int(fetch_json(port, "/facts/")["pid"])
        others = [pid for pid in child.tree() if pid != worker]
        cores = sorted(os.sched_getaffinity(0))
        pin([worker], cores[:1])
        pin([*others, os.getpid()], cores[1:] or cores)
        together([LOAD], port, 2, None)
        for number in range(options.rounds):
            for pages in (0, PAGES) if number % 2 else (PAGES, 0):
                with opened(admin, pages) as read:
                    cost, busy = costs(port, worker, others, options.seconds)
                    if pages and read[0] < pages * (options.seconds - 1):
                        raise RuntimeError(f"{pages} pages were told only {read[0]} times")
                (watched if pages else alone).append(cost)
                serving.append((pages, busy))
    more = statistics.median(with_ - without for with_, without in zip(watched, alone, strict=True))
    part = more / statistics.median(alone)
    print("| pages | worker, CPU us a request | least to most | the pages' process, % of a core |")
    print("| --- | --- | --- | --- |")
    for pages, found in ((0, alone), (PAGES, watched)):
        busy = statistics.mean(busy for of, busy in serving if of == pages)
        spread = f"{min(found):.1f} to {max(found):.1f}"
        print(f"| {pages} | {statistics.median(found):.1f} | {spread} | {busy:.2%} |")
    holds = abs(part) <= BAR
    print(f"\nmedian of the differences: {more:+.1f} us ({part:+.1%}): {'holds' if holds else '**missed**'}")
    return 0 if holds else 1


def pin(pids: list[int], cores: list[int]) -> None:
    """All threads of these processes."""
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cores)


def costs(port: int, worker: int, others: list[int], seconds: float) -> tuple[float, float]:
    """Microseconds of the worker a request, and the part of a core that the others took."""
    began, before, theirs = time.monotonic(), cpu_seconds([worker]), cpu_seconds(others)
    (figures,) = together([LOAD], port, seconds, None)
    if figures.errors or not figures.requests:
        raise RuntimeError(figures.first_error or "no request was answered")
    wall = time.monotonic() - began
    return (cpu_seconds([worker]) - before) / figures.requests * 1e6, (cpu_seconds(others) - theirs) / wall


@contextmanager
def opened(admin: int, pages: int) -> Iterator[list[int]]:
    """So many pages, read by a thread; how many events they were told is in what this gives."""
    told, ended = [0], threading.Event()
    request = (
        f"GET /api/v1/stream?seconds=60 HTTP/1.1\r\nHost: 127.0.0.1:{admin}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(pages):
            page = stack.enter_context(socket.create_connection(("127.0.0.1", admin)))
            page.sendall(request.encode())
            selector.register(page, selectors.EVENT_READ)

        def read() -> None:
            while not ended.is_set():
                for key, _ in selector.select(0.1):
                    told[0] += key.fileobj.recv(1 << 20).count(b"event: now")  # type: ignore[union-attr]

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield told
        finally:
            ended.set()
            reader.join()


@contextmanager
def served() -> Iterator[tuple[int, int, Child]]:
    """Its port, that of its admin socket, and the server."""
    admin = free_port()
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        token = Path(folder, "token")
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        options = ["--admin", f"127.0.0.1:{admin}", "--admin-token-file", str(token)]
        with turnout("mysite.asgi:application", *options, environment=MYSITE) as server:
            yield server.port, admin, server.child


if __name__ == "__main__":
    sys.exit(main())
