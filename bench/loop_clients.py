"""Asyncio's client libraries on turnout's loop, beside the stdlib's and uvloop.

    python -m bench.loop_clients [--rounds 5] [--only aiohttp]

Alternating rounds, medians; each cell is calls a second with its ratio to the stdlib's loop. The loop has one core,
what it talks to the other. Needs aiohttp, asyncpg, psycopg and redis, Debian's packages postgresql and redis-server,
and `cargo build --release -p turnout-lab`; a row whose part is not there is skipped with a line that says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import glob
import importlib
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from bench.reactor_cost import KINDS, running

Call = Callable[[], Awaitable[object]]
ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 0.3
MEASURE = 1.2
AT_ONCE = 10


class Missing(Exception):
    """What is not installed, for a person."""


def library(name: str):
    """Import a library, or say that it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"no {name} in this environment") from error


# Each client: a context in which a call can be made, and how many calls of the library one such is.


@contextlib.asynccontextmanager
async def aiohttp(address: str) -> AsyncIterator[Call]:
    """A request of a view: ten calls awaited together."""
    client = library("aiohttp")
    async with client.ClientSession(connector=client.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with session.get(f"http://{address}/?ms=0") as answer:
                assert answer.status == 200
                await answer.read()

        async def ten() -> None:
            await asyncio.gather(*(one() for _ in range(10)))

        yield ten


@contextlib.asynccontextmanager
async def asyncpg(address: str) -> AsyncIterator[Call]:
    """A query on a connection of a pool."""
    host, _, port = address.rpartition(":")
    options = {"host": host, "port": int(port), "user": "turnout", "database": "postgres", "ssl": False}
    async with library("asyncpg").create_pool(min_size=AT_ONCE, max_size=AT_ONCE, **options) as pool:

        async def query() -> None:
            assert await pool.fetchval("SELECT 40 + $1::int", 2) == 42

        yield query


@contextlib.asynccontextmanager
async def psycopg(address: str) -> AsyncIterator[Call]:
    """A query on a connection."""
    host, _, port = address.rpartition(":")
    connect = library("psycopg").AsyncConnection.connect
    where = f"host={host} port={port} user=turnout dbname=postgres sslmode=disable"
    free = asyncio.Queue()
    for _ in range(AT_ONCE):
        free.put_nowait(await connect(where, autocommit=True))

    async def query() -> None:
        connection = free.get_nowait()
        cursor = await connection.execute("SELECT 40 + %s::int", (2,))
        assert await cursor.fetchone() == (42,)
        free.put_nowait(connection)

    try:
        yield query
    finally:
        while not free.empty():
            await free.get_nowait().close()


@contextlib.asynccontextmanager
async def redis(address: str) -> AsyncIterator[Call]:
    """A GET of a small value."""
    client = library("redis.asyncio").from_url(f"redis://{address}/0")
    await client.set("key", b"value")

    async def get() -> None:
        assert await client.get("key") == b"value"

    try:
        yield get
    finally:
        await client.aclose()


# What they talk to.


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def until_it_answers(port: int, process: subprocess.Popen) -> None:
    """Block until somebody listens."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise Missing(f"{process.args[0]} ended with {process.returncode}")


@contextlib.contextmanager
def child(command: list[str], **options: object) -> Iterator[subprocess.Popen]:
    """A process on the last core, in a group of its own, for the length of a block."""
    pinned = ["taskset", "--cpu-list", str(cores()[-1]), *command]
    process = subprocess.Popen(pinned, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def lab(program: Path, _folder: Path) -> Iterator[str]:
    """The simulated upstream."""
    if not program.exists():
        raise Missing(f"{program} is missing: cargo build --release -p turnout-lab")
    with child([str(program), "upstream"], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1].removeprefix("http://").rstrip("/")


@contextlib.contextmanager
def postgres(_lab: Path, folder: Path) -> Iterator[str]:
    """A database of our own, as a user without rights: PostgreSQL refuses root."""
    found = [*sorted(glob.glob("/usr/lib/postgresql/*/bin")), os.path.dirname(shutil.which("postgres") or "")]
    if not found[0]:
        raise Missing("no PostgreSQL here (Debian's package postgresql)")
    who = {}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **who}
    data, port = folder / "data", free_port()
    make = [f"{found[0]}/initdb", "--pgdata", str(data), "--username", "turnout", "--auth", "trust", "--no-sync"]
    subprocess.run(make, check=True, **quiet)
    settings = ["fsync=off", f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
    serve = [f"{found[0]}/postgres", "-D", str(data), *(part for each in settings for part in ("-c", each))]
    with child(serve, **quiet) as process:
        until_it_answers(port, process)
        time.sleep(0.5)  # it listens before it takes logins
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def redis_server(_lab: Path, folder: Path) -> Iterator[str]:
    """Redis without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("no redis-server here (Debian's package redis-server)")
    port = free_port()
    with child(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL
    ) as process:
        until_it_answers(port, process)
        yield f"127.0.0.1:{port}"


ROWS = (
    ("aiohttp, 10 calls a request", aiohttp, lab, 10),
    ("asyncpg", asyncpg, postgres, 1),
    ("psycopg", psycopg, postgres, 1),
    ("redis", redis, redis_server, 1),
)


def cores() -> list[int]:
    """Those this machine lets us have."""
    return CORES or sorted(os.sched_getaffinity(0))


CORES: list[int] = []


async def measure(client: Callable[[str], contextlib.AbstractAsyncContextManager[Call]], address: str) -> float:
    """Calls a second, `AT_ONCE` of them out at a time."""
    async with client(address) as call:
        done = 0

        async def caller(end: float) -> None:
            nonlocal done
            while time.perf_counter() < end:
                await call()
                done += 1

        await asyncio.gather(*(caller(time.perf_counter() + WARM_UP) for _ in range(AT_ONCE)))
        done, start = 0, time.perf_counter()
        await asyncio.gather(*(caller(start + MEASURE) for _ in range(AT_ONCE)))
        return done / (time.perf_counter() - start)


def row(client, server, calls: int, program: Path, rounds: int) -> dict[str, list[float]]:
    """Every loop in turn, `rounds` times."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    # Outside of /tmp/user folders that an unprivileged user may not enter.
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder, server(program, Path(folder)) as address:
        for _ in range(rounds):
            for kind in KINDS:
                with running(kind) as loop:
                    if loop is not None:
                        gc.collect()
                        found[kind].append(loop.run_until_complete(measure(client, address)) * calls)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--lab", type=Path, default=ROOT / "target" / "release" / "turnout-lab")
    arguments = parser.parse_args()
    CORES[:] = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, CORES[:1])
    print(f"{'calls a second (x stdlib) [least-most]':40}" + "".join(f"{kind:>34}" for kind in KINDS))
    for name, client, server, calls in ROWS:
        if arguments.only not in name:
            continue
        try:
            found = row(client, server, calls, arguments.lab, arguments.rounds)
        except Missing as missing:
            print(f"{name:40}skipped: {missing}", flush=True)
            continue
        base = statistics.median(found["stdlib"])
        print(f"{name:40}" + "".join(f"{cell(found[kind], base):>34}" for kind in KINDS), flush=True)


def cell(values: list[float], base: float) -> str:
    """A median, its ratio and its range."""
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:,.0f} ({middle / base:.2f}x) [{min(values):,.0f}-{max(values):,.0f}]"


if __name__ == "__main__":
    main()
