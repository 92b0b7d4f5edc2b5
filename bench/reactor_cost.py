"""What the reactor costs beside the stdlib's selector and uvloop, and whether it keeps its bounds of time.

    python bench/reactor_cost.py [--rounds 7]

Alternating rounds, medians. The bounds are those of the reactor's requirements; the behaviour that goes with them is
tested in tests/reactor. Needs a release or ci build; uvloop is measured if it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from turnout import _turnout
from turnout.loop import ReactorSelector, TurnoutLoop

KINDS = ("stdlib", "turnout, plain", "turnout, runtime", "uvloop")
Measure = Callable[[str], float | None]

TALKER = """
import socket, sys, time
connections = []
for _ in range(int(sys.argv[2])):
    connections.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    connections[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    for connection in connections:
        connection.sendall(b"x" * 20 + b"\\n")
    for connection in connections:
        connection.recv(64)
"""


def new_loop(kind: str) -> asyncio.AbstractEventLoop | None:
    """Make a loop of a kind; None if it is not installed."""
    if kind == "stdlib":
        return asyncio.SelectorEventLoop(selectors.EpollSelector())
    if kind == "uvloop":
        try:
            import uvloop
        except ImportError:
            return None
        return uvloop.new_event_loop()
    loop = TurnoutLoop()
    if kind.endswith("runtime"):
        loop.reactor.start_runtime()
    return loop


@contextmanager
def running(kind: str) -> Iterator[asyncio.AbstractEventLoop | None]:
    """A loop for one measurement."""
    loop = new_loop(kind)
    try:
        yield loop
    finally:
        if loop is not None:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


def select_zero(kind: str) -> float | None:
    """Nanoseconds of a select(0) that finds nothing, one descriptor watched."""
    if kind == "uvloop":
        return None
    selector = selectors.EpollSelector() if kind == "stdlib" else ReactorSelector()
    if kind.endswith("runtime"):
        selector.reactor.start_runtime()
    left, right = socket.socketpair()
    selector.register(left, selectors.EVENT_READ)
    select, count = selector.select, 50_000
    for _ in range(1000):
        select(0)
    start = time.perf_counter()
    for _ in range(count):
        select(0)
    spent = time.perf_counter() - start
    selector.close()
    left.close()
    right.close()
    return spent / count * 1e9


def call_soon(kind: str) -> float | None:
    """Nanoseconds of an iteration with one callback."""
    with running(kind) as loop:
        if loop is None:
            return None
        left = count = 50_000

        def again() -> None:
            nonlocal left
            left -= 1
            if left:
                loop.call_soon(again)
            else:
                loop.stop()

        loop.call_soon(again)
        start = time.perf_counter()
        loop.run_forever()
        return (time.perf_counter() - start) / count * 1e9


def sleep_zero(kind: str) -> float | None:
    """Nanoseconds of `await asyncio.sleep(0)`."""
    count = 30_000

    async def main() -> float:
        start = time.perf_counter()
        for _ in range(count):
            await asyncio.sleep(0)
        return (time.perf_counter() - start) / count * 1e9

    with running(kind) as loop:
        return None if loop is None else loop.run_until_complete(main())


def two_wakes(kind: str) -> float | None:
    """Nanoseconds of a ping and a pong between two descriptors of Python's."""
    with running(kind) as loop:
        if loop is None:
            return None
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        rounds = count = 5_000

        def pong() -> None:
            right.recv(8)
            right.send(b"x")

        def ping() -> None:
            nonlocal rounds
            left.recv(8)
            rounds -= 1
            if rounds:
                left.send(b"x")
            else:
                loop.stop()

        loop.add_reader(left, ping)
        loop.add_reader(right, pong)
        left.send(b"x")
        start = time.perf_counter()
        loop.run_forever()
        spent = time.perf_counter() - start
        loop.remove_reader(left)
        loop.remove_reader(right)
        left.close()
        right.close()
        return spent / count * 1e9


def storm(kind: str) -> float | None:
    """Thousands of calls a second: 8 threads of 20,000 call_soon_threadsafe."""
    with running(kind) as loop:
        if loop is None:
            return None
        left = total = 8 * 20_000

        def call() -> None:
            nonlocal left
            left -= 1
            if not left:
                loop.stop()

        def push() -> None:
            for _ in range(20_000):
                loop.call_soon_threadsafe(call)

        start = time.perf_counter()
        threads = [threading.Thread(target=push) for _ in range(8)]
        for thread in threads:
            thread.start()
        loop.run_forever()
        spent = time.perf_counter() - start
        for thread in threads:
            thread.join()
        return total / spent / 1e3


def late_sleep(kind: str) -> float | None:
    """Median milliseconds by which sleep(10 ms) comes late on an idle loop."""

    async def main() -> float:
        return statistics.median(await lateness(50))

    with running(kind) as loop:
        return None if loop is None else loop.run_until_complete(main())


async def lateness(count: int) -> list[float]:
    """How late sleeps of 10 ms come, in milliseconds."""
    loop = asyncio.get_running_loop()
    late = []
    for _ in range(count):
        due = loop.time() + 0.010
        await asyncio.sleep(0.010)
        late.append((loop.time() - due) * 1e3)
    return late


def many_timers(kind: str) -> float | None:
    """99th percentile, in milliseconds, of how late 10,000 timers within a second come."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        late: list[float] = []
        done = loop.create_future()

        def fire(due: float) -> None:
            late.append((loop.time() - due) * 1e3)
            if len(late) == 10_000:
                done.set_result(None)

        start = loop.time() + 0.2
        for _ in range(10_000):
            due = start + random.random()
            loop.call_at(due, fire, due)
        await done
        return sorted(late)[9_900]

    with running(kind) as loop:
        return None if loop is None else loop.run_until_complete(main())


def late_beside_rust(kind: str) -> float | None:
    """Median milliseconds by which sleep(10 ms) comes late beside Rust-only traffic at full rate."""
    if kind != "turnout, runtime":
        return None

    async def main() -> float:
        server = _turnout._testing.EchoServer(asyncio.get_running_loop().reactor)
        command = [sys.executable, "-c", TALKER, str(server.port), "32", "1.5"]
        with subprocess.Popen(command) as talker:
            await asyncio.sleep(0.5)
            late = await lateness(60)
            await asyncio.to_thread(talker.wait)
        return statistics.median(late)

    with running(kind) as loop:
        assert loop is not None
        return loop.run_until_complete(main())


def beside_block(kind: str) -> float | None:
    """99th percentile, in milliseconds, of a request answered by Rust while the loop blocks 200 of every 220 ms."""
    if kind != "turnout, runtime":
        return None

    async def main() -> float:
        server = _turnout._testing.EchoServer(asyncio.get_running_loop().reactor)
        took: list[float] = []

        def ask() -> None:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    start = time.perf_counter()
                    client.sendall(b"x\n")
                    client.recv(16)
                    took.append((time.perf_counter() - start) * 1e3)
                    time.sleep(0.001)

        asking = asyncio.get_running_loop().run_in_executor(None, ask)
        while not asking.done():
            time.sleep(0.2)  # the point of it
            await asyncio.sleep(0.02)
        took.sort()
        return took[int(len(took) * 0.99)]

    with running(kind) as loop:
        assert loop is not None
        return loop.run_until_complete(main())


def idle_switches(kind: str) -> float | None:
    """Context switches a second of the whole process on an idle loop with a server."""
    if kind == "uvloop":
        return None

    async def main() -> float:
        import resource

        def switches() -> int:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            return usage.ru_nvcsw + usage.ru_nivcsw

        await asyncio.sleep(0.2)
        before = switches()
        await asyncio.sleep(1.0)
        return float(switches() - before)

    with running(kind) as loop:
        assert loop is not None
        return loop.run_until_complete(main())


ROWS: tuple[tuple[str, Measure, str], ...] = (
    ("select(0), ns", select_zero, "5: plain <= stdlib; 6: runtime < 1.6 x stdlib"),
    ("call_soon iteration, ns", call_soon, ""),
    ("sleep(0) iteration, ns", sleep_zero, "runtime <= stdlib - 300, every step stamped"),
    ("descriptor, two wakes, ns", two_wakes, ""),
    ("threadsafe storm, thousand/s", storm, "11: >= 2 x stdlib"),
    ("idle sleep(10 ms) late, median ms", late_sleep, "4: < 0.5"),
    ("10,000 timers late, p99 ms", many_timers, "4: < 1.5"),
    ("10 ms late beside Rust traffic, median ms", late_beside_rust, "13: < 0.5"),
    ("Rust answers beside a blocked loop, p99 ms", beside_block, "14: <= 3"),
    ("idle, context switches a second", idle_switches, "next to none"),
)


def main() -> None:
    """Measure in alternating rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="rows whose name contains this")
    arguments = parser.parse_args()
    gc.disable()
    print(f"{'median [least-most]':44}" + "".join(f"{kind:>24}" for kind in KINDS) + "   requirement")
    for name, measure, bound in ROWS:
        if arguments.only and arguments.only not in name:
            continue
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.rounds):
            for kind in KINDS:
                value = measure(kind)
                if value is not None:
                    found[kind].append(value)
        print(f"{name:44}" + "".join(f"{cell(found[kind]):>24}" for kind in KINDS) + f"   {bound}", flush=True)


def cell(values: list[float]) -> str:
    """A median with its range."""
    if not values:
        return "-"
    digits = 0 if max(values) >= 100 else 2
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


if __name__ == "__main__":
    main()
