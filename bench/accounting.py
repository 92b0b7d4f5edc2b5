"""What accounting for the time of requests costs: the same server with it and without, by turns.

    python -m bench.accounting [--rounds 10] [--seconds 2]

CPU time a request, of views of both kinds that answer JSON, of one that makes a thousand steps of the loop, and of such
that read one row. Both servers run side by side, one of them idle; each round measures both, every other one backwards,
and starts them anew. What counts is the median of the differences of a round. The server has one core, wrk the other.
The bars: 5 us more on the sync JSON view, 3 us on the async one, 300 ns a step, 2 % on the views with one read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.load import Load, together
from bench.postgres import fill, postgres
from bench.processes import Child, cpu_seconds
from bench.serving import MYSITE, SITE, turnout

WARM_UP = 1.0


@dataclass(frozen=True)
class Case:
    """One view, and what it may cost more: microseconds, or a part of what it costs."""

    name: str
    load: Load
    most_us: float | None = None
    most_part: float | None = None


CASES = (
    Case("json, sync view", Load("/json/sync/", 32), most_us=5),
    Case("json, async view", Load("/json/async/", 32), most_us=3),
    Case("1,000 steps of the loop", Load("/steps/", 8), most_us=300),
    Case("one ORM read, sync view", Load("/orm/sync/", 32), most_part=0.02),
    Case("one ORM read, async view", Load("/orm/", 32), most_part=0.02),
)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    found: dict[str, list[tuple[float, float]]] = {case.name: [] for case in CASES}
    with postgres(cores[-1]) as database:
        os.environ["BENCH_DATABASE"] = json.dumps({**database, "CONN_MAX_AGE": 600})
        fill(SITE, database)
        for number in range(options.rounds):
            measure(found, cores[0], options.seconds, backwards=number % 2 == 1)
            told = (f"{name} {pairs[-1][0]:.1f} -> {pairs[-1][1]:.1f}" for name, pairs in found.items())
            print(f"round {number + 1}: {', '.join(told)} us", flush=True)
    print(*table(found), sep="\n")
    return 0 if all(holds(case, found[case.name]) for case in CASES) else 1


def measure(found: dict[str, list[tuple[float, float]]], core: int, seconds: float, *, backwards: bool) -> None:
    """One round."""
    with served("off", core) as off, served("exact", core) as on:
        order = [on, off] if backwards else [off, on]
        for case in CASES:
            for server in order:
                server.cost(case.load, WARM_UP)
            costs = {server.how: server.cost(case.load, seconds) for server in order}
            found[case.name].append((costs["off"], costs["exact"]))


@dataclass(frozen=True)
class Running:
    """One of the two servers."""

    how: str
    child: Child
    port: int

    def cost(self, load: Load, seconds: float) -> float:
        """Microseconds of CPU a request."""
        pids = self.child.tree()
        before = cpu_seconds(pids)
        (figures,) = together([load], self.port, seconds, None)
        if figures.errors or not figures.requests:
            raise RuntimeError(f"{load.path}: {figures.first_error or 'no request was answered'}")
        return (cpu_seconds(pids) - before) / figures.requests * 1e6


@contextmanager
def served(how: str, core: int) -> Iterator[Running]:
    # Two interpreters differ by more than what is looked for if their dictionaries do.
    environment = {**MYSITE, "PYTHONHASHSEED": "0"}
    with turnout("mysite.asgi:application", "--accounting", how, environment=environment, core=core) as server:
        yield Running(how, server.child, server.port)


def difference(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(on - off for off, on in pairs)


def holds(case: Case, pairs: list[tuple[float, float]]) -> bool:
    """Whether the bar does."""
    more = difference(pairs)
    if case.most_us is not None:
        return more <= case.most_us
    assert case.most_part is not None
    return more <= case.most_part * statistics.median(off for off, _ in pairs)


def table(found: dict[str, list[tuple[float, float]]]) -> list[str]:
    """In Markdown."""
    lines = ["", "| view | CPU us a request, off | exact | more | bar | |", "| --- | --- | --- | --- | --- | --- |"]
    for case in CASES:
        pairs = found[case.name]
        off, on = (statistics.median(each) for each in zip(*pairs, strict=True))
        bar = f"{case.most_us:g} us" if case.most_us is not None else f"{case.most_part:.0%}"
        more = difference(pairs)
        verdict = "holds" if holds(case, pairs) else "**missed**"
        lines.append(f"| {case.name} | {off:.1f} | {on:.1f} | {more:+.1f} us ({more / off:+.1%}) | {bar} | {verdict} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
