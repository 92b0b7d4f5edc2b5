"""One client in a process of its own, calling an upstream for a while: python -m bench.client.calls CLIENT [options].

Prints one line of JSON: calls, CPU seconds of the process (all its threads), latencies. Clients: aiohttp, pyreqwest,
turnout (awaited, so many at once); requests, httpx, turnout-sync (one thread, one call after another).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

MOST = 4096


@dataclass
class Tally:
    """What came of the calls."""

    took: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    def failed(self, error: BaseException) -> None:
        name = type(error).__name__
        self.failures[name] = self.failures.get(name, 0) + 1


Call = Callable[[], Any]
Acall = Callable[[], Awaitable[Any]]


def main() -> None:
    options = _parser().parse_args()
    clients = {**BLOCKING, **AWAITED}
    if options.client not in clients:
        raise SystemExit(f"no client is called {options.client}: {', '.join(clients)}")
    run = _blocking if options.client in BLOCKING else _awaited
    run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client")
    parser.add_argument("--url", required=True)
    parser.add_argument("--authority", help="the certificate to believe (a file)")
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm-up", type=float, default=1)
    parser.add_argument(
        "--pause", type=float, nargs=2, metavar=("LEAST", "MOST"), help="seconds until all lanes make their next call"
    )
    parser.add_argument("--hedge", type=float, help="seconds after which turnout sends the call again")
    parser.add_argument("--hang", help="turnout-gather: the URL of a source that never answers")
    return parser


def _say(tally: Tally, warm_up: Tally, seconds: float, cpu: float) -> None:
    took = sorted(tally.took)

    def at(share: float) -> float:
        return took[min(len(took) - 1, int(share * len(took)))] * 1000 if took else 0.0

    figures = {
        "calls": len(took),
        # Those of the warm-up and those that failed too.
        "all_calls": sum(len(one.took) + sum(one.failures.values()) for one in (tally, warm_up)),
        "seconds": seconds,
        "cpu": cpu,
        "p50": at(0.5),
        "p99": at(0.99),
        "p999": at(0.999),
        "failures": tally.failures,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "switches": sum(resource.getrusage(resource.RUSAGE_SELF)[14:16]),
    }
    print(json.dumps(figures), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _blocking(options: argparse.Namespace) -> None:
    call = BLOCKING[options.client](options)

    def for_seconds(seconds: float) -> tuple[Tally, float]:
        tally, began = Tally(), time.perf_counter()
        while (start := time.perf_counter()) < began + seconds:
            try:
                call()
            except Exception as error:
                tally.failed(error)
            else:
                tally.took.append(time.perf_counter() - start)
        return tally, time.perf_counter() - began

    warm_up, _ = for_seconds(options.warm_up)
    before = _cpu()
    tally, seconds = for_seconds(options.seconds)
    _say(tally, warm_up, seconds, _cpu() - before)


def _awaited(options: argparse.Namespace) -> None:
    async def run() -> None:
        call, close = await AWAITED[options.client](options)

        async def once(tally: Tally) -> None:
            start = time.perf_counter()
            try:
                await call()
            except Exception as error:
                tally.failed(error)
            else:
                tally.took.append(time.perf_counter() - start)

        async def lane(tally: Tally, end: float) -> None:
            while time.perf_counter() < end:
                await once(tally)

        async def in_step(tally: Tally, end: float) -> None:
            chance = random.Random(0)
            while time.perf_counter() < end:
                await asyncio.gather(*[once(tally) for _ in range(options.concurrency)])
                await asyncio.sleep(chance.uniform(*options.pause))

        async def for_seconds(seconds: float) -> tuple[Tally, float]:
            tally, began = Tally(), time.perf_counter()
            end = began + seconds
            if options.pause:
                await in_step(tally, end)
            else:
                await asyncio.gather(*[lane(tally, end) for _ in range(options.concurrency)])
            return tally, time.perf_counter() - began

        warm_up, _ = await for_seconds(options.warm_up)
        before = _cpu()
        tally, seconds = await for_seconds(options.seconds)
        _say(tally, warm_up, seconds, _cpu() - before)
        await close()

    asyncio.run(run())


def _context(options: argparse.Namespace) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=options.authority) if options.authority else None


# --- blocking clients: a function that makes one call ---


def _requests(options: argparse.Namespace) -> Call:
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = options.authority or True

    def call() -> None:
        with session.get(options.url, timeout=30) as answer:
            answer.raise_for_status()
            answer.json()

    return call


def _httpx(options: argparse.Namespace) -> Call:
    import httpx

    client = httpx.Client(verify=_context(options) or True, http2=options.http2, trust_env=False, timeout=30)
    return lambda: client.get(options.url).raise_for_status().json()


def _ours(options: argparse.Namespace) -> Any:
    from turnout import http

    limits = http.Limits(
        max_connections=MOST, max_connections_per_host=MOST, max_idle_per_host=MOST, max_queue=MOST, keepalive=60
    )
    policy = http.Policy(hedge=http.Hedge(after=options.hedge)) if options.hedge else None
    verify = http.TLSConfig(ca=options.authority) if options.authority else True
    return http.Client(limits=limits, timeout=30, verify=verify, http2=options.http2, policy=policy)


def _turnout_sync(options: argparse.Namespace) -> Call:
    client = _ours(options)
    return lambda: client.get(options.url).raise_for_status().json()


# --- awaited clients: a function that makes one call, and one that closes the client ---


async def _nothing() -> None:
    """There is nothing to close."""


async def _turnout(options: argparse.Namespace) -> tuple[Acall, Acall]:
    client = _ours(options)

    async def call() -> None:
        (await client.aget(options.url)).raise_for_status().json()

    return call, _nothing


async def _turnout_gather(options: argparse.Namespace) -> tuple[Acall, Acall]:
    """Ten sources, of which one may hang."""
    from turnout import http

    client = _ours(options)
    urls = [options.url] * 9 + [options.hang or options.url]

    async def call() -> None:
        found = await client.agather([http.Request("GET", url) for url in urls], deadline=0.25)
        if len(found.ok) < 9:
            found.raise_for_errors()

    return call, _nothing


async def _turnout_quorum(options: argparse.Namespace) -> tuple[Acall, Acall]:
    """The same, when nine of ten are enough."""
    from turnout import http

    client = _ours(options)
    urls = [options.url] * 9 + [options.hang or options.url]

    async def call() -> None:
        found = await client.agather([http.Request("GET", url) for url in urls], deadline=0.25, quorum=9)
        if len(found.ok) < 9:
            found.raise_for_errors()

    return call, _nothing


async def _aiohttp(options: argparse.Namespace) -> tuple[Acall, Acall]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, ssl=_context(options) or True)
    session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30))

    async def call() -> None:
        async with session.get(options.url) as answer:
            answer.raise_for_status()
            await answer.json()

    return call, session.close


async def _pyreqwest(options: argparse.Namespace) -> tuple[Acall, Acall]:
    from pathlib import Path

    from pyreqwest.client import ClientBuilder

    builder = ClientBuilder().pool_max_idle_per_host(MOST).error_for_status(True)
    if options.authority:
        builder = builder.add_root_certificate_pem(Path(options.authority).read_bytes())
    client = (builder if options.http2 else builder.http1_only()).build()

    async def call() -> None:
        await (await client.get(options.url).build().send()).json()

    return call, client.close


BLOCKING: dict[str, Callable[[argparse.Namespace], Call]] = {
    "requests": _requests,
    "httpx": _httpx,
    "turnout-sync": _turnout_sync,
}
AWAITED: dict[str, Callable[[argparse.Namespace], Awaitable[tuple[Acall, Acall]]]] = {
    "aiohttp": _aiohttp,
    "pyreqwest": _pyreqwest,
    "turnout": _turnout,
    "turnout-gather": _turnout_gather,
    "turnout-quorum": _turnout_quorum,
}

if __name__ == "__main__":
    main()
