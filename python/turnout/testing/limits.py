"""Limits for a view: their names, what each one measures, and the table that tells both. Knows no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import ceil
from typing import NamedTuple

from turnout._turnout import Witness
from turnout.times import Times


class Watched(NamedTuple):
    """One request that has ended."""

    view: str
    """The name of its view: module and function, or module and class; "(no view)" where it came to none."""
    status: int
    """How it was answered; 0 where it was not."""
    times: Times
    """Where its time went, to the last byte of its answer."""
    waits: dict[str, float]
    """Seconds that calls took of each kind that there were any of ("db", "http", "cache"), those side by side once."""
    calls: dict[str, int]
    """How many calls of each of these kinds there were."""

    @property
    def failed(self) -> bool:
        """Answered with 500 or above, or not at all."""
        return self.status >= 500 or self.status == 0


#: The kinds of calls that are told apart.
KINDS: tuple[str, ...] = tuple(Witness.KINDS)

#: What a limit in seconds may be for, and how it is read from a request. Without a name: the whole time.
MEASURES: dict[str, Callable[[Watched], float]] = {
    "": lambda request: request.times.wall,
    "processing": lambda request: request.times.processing,
    "wait_cpu": lambda request: request.times.waiting_for_cpu,
    "run_queue": lambda request: request.times.run_queue,
    "gil": lambda request: request.times.gil,
    "loop_queue": lambda request: request.times.loop_queue,
    "wait_io": lambda request: request.times.waiting_for_io,
    "no_thread": lambda request: request.times.no_thread,
    "client": lambda request: request.times.client,
    **{kind: (lambda request, kind=kind: request.waits.get(kind, 0.0)) for kind in KINDS},  # type: ignore[misc]
}

#: Parts of all the time of all requests together.
SHARES = {
    "processing_share": "processing",
    "wait_cpu_share": "wait_cpu",
    "wait_io_share": "wait_io",
    "io_share": "wait_io",
}

_STATISTIC = re.compile(r"(max|mean|p[1-9][0-9]?)(?:_(.+))?")
#: Those that an unknown name is compared with.
_USUAL = ("max", "mean", "p50", "p90", "p95", "p99")


class Limit(NamedTuple):
    """One keyword of `assert_view`."""

    name: str
    most: float
    measure: Callable[[Sequence[Watched]], float]
    unit: str


class Row(NamedTuple):
    """A limit and what was measured."""

    name: str
    measured: str
    allowed: str
    over: bool


def limit_of(name: str, most: object) -> Limit:
    """What a keyword and its value mean. TypeError and ValueError say what is wrong with either."""
    if isinstance(most, bool) or not isinstance(most, (int, float)):
        unit = "a number from 0 to 1" if name in SHARES else "a number of seconds"
        raise TypeError(f"{name} must be {unit}, not {most!r}")
    if not most >= 0:
        raise ValueError(f"{name} must not be negative: {most!r}")
    if name in SHARES:
        if most > 1:
            raise ValueError(f"{name} is a part of the whole time, from 0 to 1: {most!r}")
        return Limit(name, most, _share(MEASURES[SHARES[name]]), "%")
    statistic, measure = _taken_apart(name)
    read = MEASURES[measure]
    return Limit(name, most, lambda requests: statistic_of(statistic, [read(one) for one in requests]), "ms")


def _taken_apart(name: str) -> tuple[str, str]:
    found = _STATISTIC.fullmatch(name)
    if found is not None and (found[2] or "") in MEASURES:
        return found[1], found[2] or ""
    if name and name in MEASURES:
        return "max", name
    known = [name for name in MEASURES if name]
    known += [*SHARES, "max_calls", "max_failed"]
    known += [f"{statistic}_{measure}".rstrip("_") for statistic in _USUAL for measure in MEASURES]
    nearest = get_close_matches(name, known, 1, 0.5)
    hint = (
        f"did you mean {nearest[0]}?" if nearest else f"a limit is {', '.join(_USUAL)}, alone or before one of these: "
    )
    hint = hint if nearest else hint + ", ".join(name for name in MEASURES if name)
    raise TypeError(f"no limit is named {name!r}: {hint}")


def _share(read: Callable[[Watched], float]) -> Callable[[Sequence[Watched]], float]:
    def measure(requests: Sequence[Watched]) -> float:
        whole = sum(one.times.wall for one in requests)
        return sum(read(one) for one in requests) / whole if whole else 0.0

    return measure


def statistic_of(name: str, values: list[float]) -> float:
    """ "max", "mean", or "p95" and its like: the least value that so many per cent of all do not exceed."""
    if name == "max":
        return max(values)
    if name == "mean":
        return sum(values) / len(values)
    rank = ceil(len(values) * int(name[1:]) / 100)
    return sorted(values)[max(rank, 1) - 1]


def judged(limit: Limit, requests: Sequence[Watched]) -> Row:
    """What was measured, and whether that is over."""
    measured = limit.measure(requests)
    tell = _per_cent if limit.unit == "%" else _milliseconds
    return Row(limit.name, tell(measured), tell(limit.most), measured > limit.most)


def counted(name: str, measured: int, most: int) -> Row:
    """The same for a number of things."""
    return Row(name, str(measured), str(most), measured > most)


def table(view: str, rows: Sequence[Row], requests: Sequence[Watched]) -> str:
    """What is told of a view that is over its limits."""
    over = sum(row.over for row in rows)
    many = "1 request" if len(requests) == 1 else f"{len(requests)} requests"
    lines = [
        f"{view} is over {over} of its {len(rows)} limits in {many}:"
        if len(rows) > 1
        else f"{view} is over its limit in {many}:",
        "",
    ]
    lines += _aligned([("limit", "measured", "allowed", ""), *((*row[:3], "over" if row.over else "") for row in rows)])
    lines += ["", *_aligned([("where the time went", "p50", "p95", "max", "share"), *_states(requests)])]
    return "\n".join(lines)


def _states(requests: Sequence[Watched]) -> list[tuple[str, ...]]:
    """The whole, the three states, and what there was of their parts."""
    whole = sum(one.times.wall for one in requests)
    parts: list[tuple[str, Callable[[Watched], float], bool]] = [
        ("whole time", MEASURES[""], True),
        ("Processing", MEASURES["processing"], True),
        ("Waiting for CPU", MEASURES["wait_cpu"], True),
        ("  run queue", MEASURES["run_queue"], False),
        ("  GIL", MEASURES["gil"], False),
        ("  loop", MEASURES["loop_queue"], False),
        ("  no thread", lambda request: request.times.no_thread_cpu, False),
        ("Waiting for I/O", MEASURES["wait_io"], True),
        ("  no thread", lambda request: request.times.no_thread_io, False),
        ("  client", MEASURES["client"], False),
        *((f"calls: {kind}", MEASURES[kind], False) for kind in KINDS),
    ]
    found = []
    for name, read, always in parts:
        values = [read(one) for one in requests]
        if always or max(values) >= 0.5e-5:
            told = (_milliseconds(statistic_of(statistic, values)) for statistic in ("p50", "p95", "max"))
            found.append((name, *told, _per_cent(sum(values) / whole if whole else 0.0)))
    return found


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append(("  " + "   ".join(cells)).rstrip())
    return lines


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _per_cent(part: float) -> str:
    return f"{part:.1%}"
