"""What is measured: the scenarios, who takes part in each, and the bars that turnout has to clear."""

from __future__ import annotations

from dataclasses import dataclass

from bench.bars import Bar, at_least, at_most, ratio_kept
from bench.load import Load
from bench.servers import ASGI_RIVALS


@dataclass(frozen=True)
class Case:
    """One load on a running server, maybe beside another one."""

    name: str
    title: str
    load: Load
    beside: Load | None = None
    # Only these families; empty: all of the scenario's entries.
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A family that takes part, with so many threads for blocking code (None: its default)."""

    family: str
    threads: int | None = None
    # Only these cases; empty: all that its family takes part in.
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """Cases that are measured one after another on the same running server."""

    name: str
    title: str
    says: str
    entries: tuple[Entry, ...]
    cases: tuple[Case, ...]
    bars: tuple[Bar, ...] = ()
    project: str = "django"
    # A server of its own for each case: what one left behind (threads, memory) is not the next one's.
    apart: bool = False
    # Runs of requests that wait for a second need longer for a steady picture.
    stretch: float = 1.0

    def entries_of(self, case: Case) -> list[Entry]:
        return [
            entry
            for entry in self.entries
            if (not case.only or entry.family in case.only) and (not entry.cases or case.name in entry.cases)
        ]


def _entries(*families: str, threads: int | None = None) -> tuple[Entry, ...]:
    return tuple(Entry(family, threads) for family in families)


ALL = _entries("turnout", "granian-asgi", "uvicorn", "granian-wsgi", "gunicorn", "fastpysgi", "bjoern")
ASGI = _entries("turnout", *ASGI_RIVALS)
THREADED_WSGI = ("granian-wsgi", "fastpysgi", "bjoern")

JSON = Scenario(
    name="json",
    title="A JSON view, async and sync, 32 connections",
    says="startproject's seven middleware; both views in the same running server.",
    entries=ALL,
    cases=(
        Case("async", "async def", Load("/json/async/", 32), only=("turnout", *ASGI_RIVALS, "granian-wsgi")),
        Case("sync", "def", Load("/json/sync/", 32)),
    ),
    bars=(
        at_least("async over the better ASGI rival", "rps", "async", ASGI_RIVALS, 8.0, aim=12.0),
        at_least(
            "async over granian's WSGI on the sync twin", "rps", "async", ("granian-wsgi",), 1.0, other_case="sync"
        ),
        at_least(
            "async over the best WSGI rival's sync twin", "rps", "async", THREADED_WSGI, aim=1.1, other_case="sync"
        ),
        at_least("sync over granian's WSGI", "rps", "sync", ("granian-wsgi",), 1.0, aim=1.25),
        at_least("sync over the better ASGI rival", "rps", "sync", ASGI_RIVALS, 8.0),
    ),
)

WAITING = Scenario(
    name="waiting",
    title="1,000 connections on an async view that awaits an API for 1 s (aiohttp)",
    says="What a waiting request costs in threads and memory.",
    entries=ASGI,
    cases=(Case("waiting", "1,000 waiting", Load("/calls/async/?n=1&ms=1000", 1000)),),
    bars=(
        at_most("threads in the worker", "threads", "waiting", 16),
        at_least("over the better ASGI rival", "rps", "waiting", ASGI_RIVALS, 3.0),
        at_least("requests a second", "rps", "waiting", (), 750, unit=" rps"),
    ),
    stretch=3.0,
)

ADRF_WAITING = Scenario(
    name="adrf-waiting",
    title="1,000 connections on an ADRF view with DRF's default settings that awaits an API for 1 s (aiohttp)",
    says="Negotiation, authentication and permissions of DRF's own need no thread, and JSON that is small needs none.",
    entries=_entries("turnout", *ASGI_RIVALS),
    cases=(Case("waiting", "1,000 waiting", Load("/calls/adrf/?n=1&ms=1000", 1000)),),
    bars=(
        at_most("threads in the worker", "threads", "waiting", 16),
        at_least("over granian's ASGI", "rps", "waiting", ("granian-asgi",), 3.0),
    ),
    stretch=3.0,
)


def _drf_calls(connections: int, threads: int | None) -> Scenario:
    waiting = Load("/calls/drf/?n=1&ms=1000", connections)
    at = f"--threads {threads}" if threads else "default options"
    return Scenario(
        name=f"drf-calls-{connections}",
        title=f"A DRF APIView that calls an API of 1 s with requests, {connections} connections ({at})",
        says="Blocking code that waits needs a thread on every server; then the same beside 4 x a view of 20 ms CPU.",
        entries=(Entry("turnout", threads), *_entries(*ASGI_RIVALS)),
        cases=(
            Case("alone", "alone", waiting),
            Case("beside-cpu", "beside the CPU view", waiting, beside=Load("/cpu/?ms=20", 4)),
        ),
        bars=(
            at_least("alone, over uvicorn", "rps", "alone", ("uvicorn",), 0.95),
            at_least("alone, over granian ASGI", "rps", "alone", ("granian-asgi",), 0.95),
            at_least("beside the CPU view, over uvicorn", "rps", "beside-cpu", ("uvicorn",), 0.95),
            at_least("beside the CPU view, over granian ASGI", "rps", "beside-cpu", ("granian-asgi",), 0.95),
            at_least("the CPU view's rps over uvicorn's", "beside_rps", "beside-cpu", ("uvicorn",), 1.0),
            at_least("the CPU view's rps over granian ASGI's", "beside_rps", "beside-cpu", ("granian-asgi",), 1.0),
        ),
        stretch=2.0,
    )


NEIGHBOURS = Scenario(
    name="neighbours",
    title="Neighbours: what one kind of view does to the other",
    says="A view of 20 ms CPU beside an async view; a loop blocked for 200 of every 400 ms beside a sync view.",
    entries=ASGI,
    cases=(
        Case("cpu-alone", "20 ms CPU view alone, 4 connections", Load("/cpu/?ms=20", 4)),
        Case("async-alone", "async JSON alone, 4 connections", Load("/json/async/", 4)),
        Case("async", "async JSON beside 4 x 20 ms CPU", Load("/json/async/", 4), beside=Load("/cpu/?ms=20", 4)),
        Case("sync-alone", "sync JSON alone, 4 connections", Load("/json/sync/", 4)),
        Case(
            "asleep", "sync JSON beside a loop that sleeps", Load("/json/sync/", 4), beside=Load("/block/?how=sleep", 1)
        ),
        Case(
            "computing",
            "sync JSON beside a loop that computes",
            Load("/json/sync/", 4),
            beside=Load("/block/?how=compute", 1),
        ),
    ),
    bars=(
        at_most("async JSON beside CPU: p50", "p50", "async", 5, unit=" ms"),
        at_most("async JSON beside CPU: p99", "p99", "async", 25, unit=" ms"),
        ratio_kept("the CPU view keeps of its rps alone", "beside_rps", "async", "rps", "cpu-alone", 0.8),
        at_most("sync JSON beside a sleeping loop: p99", "p99", "asleep", 10, unit=" ms"),
        at_most("sync JSON beside a computing loop: p99", "p99", "computing", 25, unit=" ms"),
    ),
)

DRF_JSON = Scenario(
    name="drf-json",
    title="JSON through ADRF and Django REST framework, 32 connections",
    says="AsyncAPIView and APIView with the same payload.",
    entries=_entries("turnout", "granian-asgi", "uvicorn", "granian-wsgi", "gunicorn"),
    cases=(
        Case("adrf", "ADRF AsyncAPIView", Load("/adrf/", 32), only=("turnout", *ASGI_RIVALS)),
        Case("drf", "DRF APIView", Load("/drf/", 32)),
    ),
)

BARE = Scenario(
    name="bare",
    title="A bare ASGI application, 32 connections",
    says="No framework: what is left is the server.",
    entries=ASGI,
    cases=(Case("bare", "hello", Load("/", 32)),),
    bars=(at_least("over the better ASGI rival", "rps", "bare", ASGI_RIVALS, 1.5, aim=2.0),),
    project="bare",
)

BARE_WSGI = Scenario(
    name="bare-wsgi",
    title="A bare WSGI application, 32 connections",
    says="No framework: what is left is the server. bjoern and fastpysgi call the application on their only thread.",
    entries=_entries("turnout", "granian-wsgi", "gunicorn", "fastpysgi", "bjoern"),
    cases=(Case("bare", "hello", Load("/", 32)),),
    bars=(at_least("over granian's WSGI", "rps", "bare", ("granian-wsgi",), 1.0),),
    project="bare-wsgi",
)


def _question(calls: int, connections: int) -> Scenario:
    wish = f"?n={calls}&ms=50"
    word = "one call" if calls == 1 else "ten calls"
    entries = [Entry("turnout"), Entry("gunicorn", 64), Entry("uvicorn")]
    if connections > 64:
        # A thread each is the other answer to the same load, and deserves its row.
        entries += [Entry(family, connections, cases=("sync",)) for family in ("turnout", "gunicorn")]
    return Scenario(
        name=f"question-{calls}-{connections}",
        title=f"The question people ask: {word} of 50 ms, {connections} at once",
        says="sync: requests, one call after another. async: aiohttp, all calls at once.",
        entries=tuple(entries),
        cases=(
            Case("sync", "sync, requests", Load(f"/calls/sync/{wish}", connections)),
            Case("async", "async, aiohttp", Load(f"/calls/async/{wish}", connections)),
        ),
        apart=True,
        stretch=1.0 if calls * connections < 5000 else 2.0,
    )


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        JSON,
        WAITING,
        ADRF_WAITING,
        _drf_calls(60, None),
        _drf_calls(200, 200),
        NEIGHBOURS,
        DRF_JSON,
        BARE,
        BARE_WSGI,
        *(_question(calls, connections) for calls in (1, 10) for connections in (1, 50, 500)),
    )
}
