"""What is measured, and what has to hold: issue by issue, a row a contender.

Two kinds. *Sites* are Django views under a server, loaded as everything in bench/ is. *Loops* are clients alone in a
process, which calls as fast as it can: what is left is the client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.bars import Bar, Lookup, at_least, at_most


@dataclass(frozen=True)
class Contender:
    """One row of a site: a server and the view it is asked for."""

    # The name in the table and in the bars; turnout's own is `turnout`.
    name: str
    # One of bench.servers.
    server: str
    path: str
    threads: int | None = None

    @property
    def uses_ours(self) -> bool:
        """Whether the view calls with turnout.http."""
        return "turnout" in self.path or "lazy" in self.path


@dataclass(frozen=True)
class Site:
    """A question to several servers."""

    name: str
    title: str
    says: str
    contenders: tuple[Contender, ...]
    connections: int
    bars: tuple[Bar, ...] = ()
    # Requests a second, evenly spaced, instead of one after another.
    rate: float | None = None
    # A header of the answers that tells a time of the upstream's.
    sample: str | None = None
    # Another load meanwhile, on the same server or on another process of it: its path, and its connections.
    beside: tuple[str, int] | None = None
    beside_apart: bool = False


@dataclass(frozen=True)
class Loop:
    """A client alone: its arguments for bench.client.calls, by name."""

    name: str
    title: str
    says: str
    clients: dict[str, tuple[str, ...]]
    path: str
    bars: tuple[Bar, ...] = ()
    tls: bool = False
    # Arguments of the upstream's.
    upstream: tuple[str, ...] = ()
    # Failed calls are what is counted, not what makes a row void.
    counts_failures: bool = False


def ratio(
    text: str, metric: str, ours: str, theirs: str, *, case: str, least: float | None = None, most: float | None = None,
    aim: float | None = None,
) -> Bar:  # fmt: skip
    """One row's figure divided by another's: at least, or at most."""

    def value(lookup: Lookup) -> float | None:
        left, right = lookup(ours, case, metric), lookup(theirs, case, metric)
        return left / right if left is not None and right else None

    upwards = most is None
    return Bar(text, value, least if upwards else most, aim, "x", upwards=upwards)


def rise(text: str, metric: str, row: str, over: str, *, case: str, most: float) -> Bar:
    """How much higher one row's figure is than another's."""

    def value(lookup: Lookup) -> float | None:
        left, right = lookup(row, case, metric), lookup(over, case, metric)
        return None if left is None or right is None else max(0.0, left - right)

    return Bar(text, value, most, None, " ms", upwards=False)


def over_upstream(text: str, case: str, most: float) -> Bar:
    """How much later an answer comes at the median than the slowest of its calls was answered by the upstream."""

    def value(lookup: Lookup) -> float | None:
        left, right = lookup("turnout", case, "p50"), lookup("turnout", case, "sample_p50")
        return None if left is None or right is None else left - right

    return Bar(text, value, most, None, " ms", upwards=False)


TEN = "?n=10&ms=50"
FIVE = "?n=5&ms=5&json=10240"

FAN_OUT = Site(
    name="fan-out",
    title="1. An async view with ten calls of 50 ms, 256 connections",
    says="turnout.http's agather beside aiohttp and pyreqwest with asyncio.gather.",
    contenders=(
        Contender("turnout", "turnout", f"/gather/turnout/{TEN}"),
        Contender("turnout with aiohttp", "turnout", f"/gather/aiohttp/{TEN}"),
        Contender("turnout with pyreqwest", "turnout", f"/gather/pyreqwest/{TEN}"),
        Contender("granian with aiohttp", "granian-asgi", f"/gather/aiohttp/{TEN}"),
    ),
    connections=256,
    bars=(
        at_least("over granian with aiohttp", "rps", "fan-out", ("granian with aiohttp",), 7, aim=12),
        at_least("over turnout with aiohttp", "rps", "fan-out", ("turnout with aiohttp",), 3),
        at_least("over turnout with pyreqwest", "rps", "fan-out", ("turnout with pyreqwest",), 1.5, aim=2.5),
    ),
)

FAN_OUT_STAMPED = Site(
    name="fan-out-stamped",
    title="1. The same, 16 connections, beside the upstream's own stamps",
    says="The upstream says of each call how long it held it back, by timerfd; the view passes on the longest of ten.",
    contenders=(
        Contender("turnout", "turnout", f"/stamped/turnout/{TEN}"),
        Contender("turnout with aiohttp", "turnout", f"/stamped/aiohttp/{TEN}"),
    ),
    connections=16,
    bars=(over_upstream("p50 over that of the slowest call", "fan-out-stamped", 3),),
    sample="x-slowest-ms",
)

FAN_OUT_SYNC = Site(
    name="fan-out-sync",
    title="2. A sync view with ten calls of 50 ms on 64 threads, 256 connections",
    says="turnout.http's gather beside a ThreadPoolExecutor of the process with requests.",
    contenders=(
        Contender("turnout", "turnout", f"/gather/turnout-sync/{TEN}", threads=64),
        Contender("granian with requests", "granian-wsgi", f"/gather/requests/{TEN}", threads=64),
        Contender("turnout with requests", "turnout", f"/gather/requests/{TEN}", threads=64),
    ),
    connections=256,
    bars=(at_least("over granian with requests", "rps", "fan-out-sync", ("granian with requests",), 2),),
)

NEIGHBOUR_ALONE = Site(
    name="neighbour-alone",
    title="4. An async view at 200 requests a second",
    says="Open loop: a request counts from the moment at which it was due.",
    contenders=(
        Contender("turnout", "turnout", "/json/async/"),
        Contender("turnout with aiohttp", "turnout", "/json/async/"),
    ),
    connections=32,
    rate=200,
)


def _beside_large(name: str, client: str, title: str, says: str, contender: str = "turnout") -> Site:
    """The same view, while this client gathers ten answers of 1 MB without a pause."""
    return Site(
        name=name,
        title=f"4. The same beside {title}",
        says=says,
        contenders=(Contender(contender, "turnout", "/json/async/"),),
        connections=32,
        rate=200,
        beside=(f"/large/{client}/?n=10&ms=0&json=1000000", 1),
    )


NEIGHBOUR = _beside_large(
    "neighbour",
    "turnout",
    "a gather of ten answers of 1 MB of JSON, always running",
    "Parallel processing: what is decoded must not keep others waiting.",
)

NEIGHBOUR_LAZY = _beside_large(
    "neighbour-lazy",
    "lazy",
    'ten answers of 1 MB, always running, with decode="lazy"',
    "They are read as before, and no objects are made of them.",
)

NEIGHBOUR_AIOHTTP = _beside_large("neighbour-aiohttp", "aiohttp", "aiohttp", "For comparison.", "turnout with aiohttp")

MERGE = Site(
    name="merge",
    title="4. Five sources of 10 KiB, merged and sorted by price, 32 connections",
    says="As they are, beside the same by way of Python objects.",
    contenders=(
        Contender("turnout", "turnout", f"/merge/lazy/{FIVE}"),
        Contender("turnout by way of Python", "turnout", f"/merge/turnout/{FIVE}"),
        Contender("turnout with aiohttp", "turnout", f"/merge/aiohttp/{FIVE}"),
        Contender("granian with aiohttp", "granian-asgi", f"/merge/aiohttp/{FIVE}"),
    ),
    connections=32,
    bars=(
        ratio(
            "CPU over that by way of Python", "cpu_us", "turnout", "turnout by way of Python", case="merge", most=0.5
        ),
    ),
)

SATURATED_APART = Site(
    name="saturated-apart",
    title="7. Requirement 16, the control: an async view, 16 connections, while another process fans out",
    says="256 connections, ten calls each, 100 at a time (the default), upstream of 0 ms, on the same core.",
    contenders=(Contender("turnout", "turnout", "/json/async/"),),
    connections=16,
    beside=("/gather/turnout-capped/?n=10&ms=0", 256),
    beside_apart=True,
)

SATURATED = Site(
    name="saturated",
    title="7. Requirement 16: the same while the same process fans out",
    says="A client that saturates the loop leaves the server at least half of the control's requests.",
    contenders=(Contender("turnout", "turnout", "/json/async/"),),
    connections=16,
    beside=("/gather/turnout-capped/?n=10&ms=0", 256),
)


def _single(name: str, title: str, *, tls: bool = False, http2: bool = False) -> Loop:
    flags = ("--http2",) if http2 else ()
    clients = {
        "turnout": ("turnout", *flags),
        "pyreqwest": ("pyreqwest", *flags),
        **({} if http2 else {"aiohttp": ("aiohttp",), "requests": ("requests",)}),
        "turnout, sync": ("turnout-sync", *flags),
        "httpx": ("httpx", *flags),
    }
    bars = [ratio("sync get over httpx, calls a CPU second", "per_cpu", "turnout, sync", "httpx", case=name, least=3)]
    if not http2:
        bars.insert(0, ratio("aget's CPU over aiohttp's", "cpu_us", "turnout", "aiohttp", case=name, most=1))
        bars.insert(
            1,
            ratio(
                "sync get over requests, calls a CPU second", "per_cpu", "turnout, sync", "requests", case=name, least=5
            ),
        )
    return Loop(
        name=name,
        title=title,
        says="Awaited clients at 64 at once; blocking ones one call after another. CPU is that of the whole process.",
        clients=clients,
        path="/?ms=0",
        bars=tuple(bars),
        tls=tls,
    )


SINGLE = _single("single", "3. One small call, HTTP/1.1")
SINGLE_TLS = _single("single-tls", "3. One small call, HTTP/1.1 over TLS", tls=True)
SINGLE_HTTP2 = _single("single-http2", "3. One small call, HTTP/2 over TLS", tls=True, http2=True)

HEDGE = Loop(
    name="hedge",
    title="5. An upstream of 20 ms, of which the slowest 1 % take 1 s",
    says="Hedge(after=0.06) sends a second call when the first has not come by then.",
    clients={"turnout": ("turnout", "--hedge", "0.06"), "turnout, unhedged": ("turnout",), "aiohttp": ("aiohttp",)},
    path="/?ms=20&slow=0.01&slow_ms=1000",
    bars=(
        ratio("p99.9 falls", "p999", "turnout, unhedged", "turnout", case="hedge", least=8),
        ratio("calls at the upstream a call", "amplification", "turnout", "turnout, unhedged", case="hedge", most=1.02),
    ),
)

HANG = Loop(
    name="hang",
    title="5. A gather of ten, of which one hangs, deadline 0.25 s",
    says="Nine sources of 20 ms. It costs at most its budget; with a quorum of nine, nothing.",
    clients={
        "nobody hangs": ("turnout-gather",),
        "turnout": ("turnout-quorum", "--hang", "{upstream}/?hang=1"),
        "without a quorum": ("turnout-gather", "--hang", "{upstream}/?hang=1"),
    },
    path="/?ms=20",
    bars=(
        rise("p50 over that when nobody hangs", "p50", "turnout", "nobody hangs", case="hang", most=2),
        Bar(
            "p99 without a quorum",
            lambda lookup: lookup("without a quorum", "hang", "p99"),
            260,
            None,
            " ms",
            upwards=False,
        ),
    ),
)

KEEP_ALIVE = Loop(
    name="keep-alive",
    title="7. Requirement 17: an upstream that closes a connection 30 ms after its last call",
    says="64 calls at once, and again 26 to 34 ms later: many connections are closed as they are used again.",
    clients={name: (name, "--pause", "0.026", "0.034") for name in ("turnout", "aiohttp", "pyreqwest")},
    path="/?ms=1",
    bars=(at_most("failed calls", "failures", "keep-alive", 0),),
    upstream=("--idle", "0.03"),
    counts_failures=True,
)

SITES = {
    site.name: site
    for site in (
        FAN_OUT, FAN_OUT_STAMPED, FAN_OUT_SYNC, NEIGHBOUR_ALONE, NEIGHBOUR, NEIGHBOUR_LAZY, NEIGHBOUR_AIOHTTP, MERGE,
        SATURATED_APART, SATURATED,
    )
}  # fmt: skip
LOOPS = {loop.name: loop for loop in (SINGLE, SINGLE_TLS, SINGLE_HTTP2, HEDGE, HANG, KEEP_ALIVE)}


def _p99_rise(row: str) -> Callable[[Lookup], float | None]:
    def value(lookup: Lookup) -> float | None:
        beside, alone = lookup("turnout", row, "p99"), lookup("turnout", "neighbour-alone", "p99")
        return None if beside is None or alone is None else max(0.0, beside - alone)

    return value


def _kept(lookup: Lookup) -> float | None:
    beside, alone = lookup("turnout", "saturated", "rps"), lookup("turnout", "saturated-apart", "rps")
    return beside / alone if beside is not None and alone else None


# Bars over two questions.
ACROSS = (
    Bar("4. p99 beside ten answers of 1 MB rises by", _p99_rise("neighbour"), 5, None, " ms", upwards=False),
    Bar("4. p99 beside them rises, with lazy values, by", _p99_rise("neighbour-lazy"), 5, None, " ms", upwards=False),
    Bar(
        "7. of the control's requests the server keeps beside a client that saturates the loop",
        _kept,
        0.5,
        None,
        "x",
        upwards=True,
    ),
)
