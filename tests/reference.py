"""The reference project: fifteen views of known make-up, what the server says of each, and what it noticed.

Each view is asked at a known load. Its shares of Processing, Waiting for CPU and Waiting for I/O are held against what
the view computed by the clock of its own thread, what the other side of its waits says of their end, and, for what is
left, how long it took; where clients stand in line for a thread, that against how long they waited before and after.
Each finding that a view provokes has to be there, and no other.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis as redis_client
from harness import Serving, serve
from services.postgres import Postgres
from services.redis import Redis
from upstreams import slow_upstream

SITE = Path(__file__).resolve().parent / "projects" / "reference_site"
THREADS = 4
#: An upstream's answer, and a store's.
DELAY = 0.03
TOKEN = "the-token-of-the-reference-project"


@dataclass(frozen=True)
class Case:
    """One view at a load."""

    view: str
    clients: int
    #: What it has to provoke: findings by their words.
    provokes: tuple[str, ...] = ()
    #: Asked at the same time, by so many clients.
    beside: tuple[str, int] | None = None
    sync_only: bool = False
    #: There are more clients than threads that the pool gives them.
    in_line: bool = False


CASES = (
    Case("cpu", 1),
    Case("sleep", 2),
    Case("database", 2),
    Case("by_requests", 2),
    Case("by_aiohttp", 1),
    Case("by_turnout", 1),
    Case("lock", 3),
    Case("sequential", 2, ("in-sequence",)),
    Case("blocking", 1, ("blocked-loop",)),
    Case("streaming", 1),
    Case("hog", 2, ("hungry-neighbour", "gil-convoy"), beside=("neighbour", 2), in_line=True),
    Case("by_redis", 2),
    Case("small_pool", 1, ("pool-queue",)),
    Case("crowded", 4 * THREADS, ("too-few-threads",), in_line=True),
    Case("behind_sync_only", 1, ("kept-thread",), sync_only=True),
)


@dataclass
class Seen:
    """One view: what its clients and it told, what the server says."""

    requests: int
    #: Shares of Processing, Waiting for CPU, Waiting for I/O, and of standing in line for a thread.
    truth: tuple[float, ...]
    said: tuple[float, ...]

    @property
    def off(self) -> float:
        """The largest difference of a share.

        Where the line ends and waiting for the interpreter's lock begins, which is before the first line of a view,
        only the server sees: both are one here.
        """

        def states(shares: tuple[float, ...]) -> tuple[float, ...]:
            processing, cpu, io, in_line = shares
            return processing, cpu + in_line, io

        return max(abs(true - said) for true, said in zip(states(self.truth), states(self.said), strict=True))


@dataclass
class Outcome:
    """All of a run."""

    shares: dict[str, Seen] = field(default_factory=dict)
    #: (finding, view): its sentence.
    found: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def missing(self) -> list[tuple[str, str]]:
        """What was provoked and not found."""
        wanted = [(finding, case.view) for case in CASES for finding in case.provokes]
        return [pair for pair in wanted if pair not in self.found and not (pair[0] == "gil-convoy" and self._any(pair))]

    @property
    def invented(self) -> list[tuple[str, str]]:
        """What was found and not provoked."""
        wanted = {(finding, view) for case in CASES for finding in case.provokes for view in views_of(case)}
        return [pair for pair in self.found if pair not in wanted]

    def _any(self, pair: tuple[str, str]) -> bool:
        # A convoy is of the threads; the view that waits most is named.
        [case] = [case for case in CASES if case.view == pair[1]]
        return any((pair[0], view) in self.found for view in views_of(case))


def views_of(case: Case) -> list[str]:
    """The views that take part."""
    return [case.view, *(case.beside or ())[:1]]


def is_of_sums(case: Case) -> bool:
    """Whether what it provokes is seen only in the figures of some seconds."""
    return not {"hungry-neighbour", "gil-convoy", "too-few-threads"}.isdisjoint(case.provokes)


def run(seconds: Callable[[Case], float]) -> Outcome:
    """Ask every view, each for so long."""
    outcome = Outcome()
    for sync_only in (False, True):
        cases = [case for case in CASES if case.sync_only is sync_only]
        views = [view for case in cases for view in views_of(case)]
        with site(sync_only=sync_only) as server:
            # The first request of a view imports, connects, starts threads.
            for view in views:
                fetch(server.url, f"/{view}/")
            before = told(server, views)
            walls: dict[str, float] = {}
            for case in cases:
                waited = load(server.url, case, seconds(case))
                walls |= waited if case.in_line else {}
            for view, (own, said) in told(server, views).items():
                outcome.shares[view] = seen(before[view], (own, said), walls.get(view))
            found = api(server, "/api/v1/findings")["findings"]
        for one in found:
            outcome.found[one["kind"], one["view"].rpartition(".")[2]] = one["text"]
    return outcome


@contextmanager
def site(*, sync_only: bool) -> Iterator[Serving]:
    """The project on a server, with all that it waits for."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnout-reference-")))
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        environment = {
            "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")]),
            "REFERENCE_SYNC_ONLY": "1" if sync_only else "0",
        }
        if not sync_only:
            environment["REFERENCE_UPSTREAM"] = stack.enter_context(slow_upstream(DELAY))
            environment["REFERENCE_DATABASE"] = json.dumps(stack.enter_context(Postgres()).django(CONN_MAX_AGE=60))
            store = stack.enter_context(Redis())
            environment["REFERENCE_REDIS"] = store.location
            stack.enter_context(answering(store))
        arguments = ["reference_asgi:application", "--threads", str(THREADS)]
        arguments += ["--admin", "127.0.0.1:0", "--admin-token-file", str(token)]
        yield stack.enter_context(serve(arguments, cwd=SITE, env=environment))


@contextmanager
def answering(store: Redis) -> Iterator[None]:
    """Puts what is wanted into the store, `DELAY` after it was wanted, with the time."""

    def answer() -> None:
        client = redis_client.Redis.from_url(store.location, socket_timeout=None)
        while True:
            _, key = client.blpop(["wanted"])
            if key == b"":
                return
            time.sleep(DELAY)
            client.rpush(key, repr(time.monotonic()))

    threads = [threading.Thread(target=answer) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        redis_client.Redis.from_url(store.location, socket_timeout=None).rpush("wanted", *([""] * THREADS))
        for thread in threads:
            thread.join()


#: What a view tells itself (requests, seconds computed, waited, taken), and the server: seconds as in `Seen.truth`.
Told = tuple[list[float], list[float]]


def seen(before: Told, after: Told, wall: float | None) -> Seen:
    """What came between. `wall`: seconds that clients waited, some of them in line."""
    requests, computed, waited, inside = (later - earlier for later, earlier in zip(after[0], before[0], strict=True))
    truth = [computed, max(0.0, inside - computed - waited), waited, max(0.0, (wall or inside) - inside)]
    parts = [later - earlier for later, earlier in zip(after[1], before[1], strict=True)]
    return Seen(int(requests), shares(truth), shares(parts))


def shares(parts: Sequence[float]) -> tuple[float, ...]:
    """Of their sum."""
    return tuple(part / sum(parts) for part in parts)


def load(url: str, case: Case, seconds: float) -> dict[str, float]:
    """How long the clients of its views waited in all."""
    until = time.monotonic() + seconds
    walls = dict.fromkeys(views_of(case), 0.0)
    adding = threading.Lock()

    def client(view: str) -> None:
        parts = urlsplit(url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        while time.monotonic() < until:
            began = time.monotonic()
            connection.request("GET", f"/{view}/")
            response = connection.getresponse()
            response.read()
            wall = time.monotonic() - began
            assert response.status == 200, (view, response.status)
            with adding:
                walls[view] += wall
        connection.close()

    loads = [(case.view, case.clients), *([case.beside] if case.beside else [])]
    threads = [threading.Thread(target=client, args=(view,)) for view, clients in loads for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return walls


def told(server: Serving, views: Sequence[str]) -> dict[str, Told]:
    """What is told of each, once the admin socket has all: it looks once a second."""
    until = time.monotonic() + 20
    while any(own(server, view)[0] != row(server, view)["requests"] for view in views):
        assert time.monotonic() < until, [(own(server, view), row(server, view)) for view in views]
        time.sleep(0.05)
    return {view: (own(server, view), figures(server, view)) for view in views}


def own(server: Serving, view: str) -> list[float]:
    """What a view tells of itself."""
    found = json.loads(fetch(server.url, "/own_account/"))
    return list(found.get(view, [0, 0.0, 0.0, 0.0]))


def row(server: Serving, view: str) -> dict[str, Any]:
    """What the server tells of the last minutes."""
    rows = api(server, "/api/v1/now?seconds=900")["views"]
    return next((row for row in rows if row["name"].endswith(f".{view}")), {"requests": 0})


def figures(server: Serving, view: str) -> list[float]:
    """Seconds, as in `Seen.truth`."""
    found = row(server, view)
    parts = {name: part * found["requests"] / 1e3 for name, part in found["parts"].items()}
    cpu = parts["run_queue"] + parts["gil"] + parts["loop_queue"]
    in_line = parts["no_thread_cpu"] + parts["no_thread_io"]
    return [parts["processing"], cpu, parts["io"] + parts["client"], in_line]


def api(server: Serving, path: str) -> dict[str, Any]:
    """An answer of the admin socket."""
    return json.loads(fetch(server.admin, path, Authorization=f"Bearer {TOKEN}"))  # type: ignore[no-any-return]


def fetch(url: str, path: str, **fields: str) -> bytes:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.request("GET", path, headers=fields)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (path, response.status, body)
        return body
    finally:
        connection.close()
