"""What the three states take in memory: resident pages of the worker, with accounting and without, after the same load.

    python -m bench.memory [--seconds 2]

Three loads, each on servers started anew: two hundred views that each were asked some requests; one view whose every
request waits 64 times, asked until its ring must give way; and 32 such views, asked until the worker's rings must. What
counts is how much more the worker with `--accounting exact` grew than the one without. The bars: 128 KiB a view, 4 MiB
more for the requests of one, 64 MiB for those of all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from bench.load import Load, answer, fetch_json, together
from bench.processes import memory
from bench.serving import turnout

KIB, MIB = 1024, 1024 * 1024
#: As many as a request may have that are kept by themselves.
WAITS = 64


@dataclass(frozen=True)
class Case:
    """So many views, each loaded for a part of the time, with so many waits a request."""

    name: str
    views: int
    waits: int
    #: Of the seconds that are asked for.
    part: float
    #: Bytes that the worker may have grown more than without accounting.
    most: int


CASES = (
    Case("200 views, no waits", 200, 0, 0.0, 200 * 128 * KIB),
    Case("one view, 64 waits a request", 1, WAITS, 4.0, 128 * KIB + 4 * MIB),
    Case("32 views, 64 waits a request", 32, WAITS, 1.0, 32 * 128 * KIB + 64 * MIB),
)
#: Each view is asked so often where nothing is kept of its requests but figures.
A_FEW = 40


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load for each of 32 views")
    options = parser.parse_args()
    missed = 0
    print("| load | requests | grew, MiB | without accounting | more | bar | |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        (without, _), (grew, requests) = (growth(how, case, options.seconds) for how in ("off", "exact"))
        more = grew - without
        missed += more > case.most
        figures = [f"{bytes_ / MIB:.1f}" for bytes_ in (grew, without, more, case.most)]
        verdict = "holds" if more <= case.most else "**missed**"
        print(f"| {case.name} | {requests} | {' | '.join(figures)} | {verdict} |", flush=True)
    return int(missed > 0)


def growth(how: str, case: Case, seconds: float) -> tuple[int, int]:
    """Bytes by which the worker's resident pages grew from the first requests on, and after how many."""
    views = {"REMEMBERED_VIEWS": str(case.views)}
    with turnout("remembered:asgi", "--accounting", how, environment=views) as server:
        port = server.port
        worker = int(fetch_json(port, "/facts/")["pid"])
        # What the first requests import, and the threads that they start, is no matter.
        together([Load("/0/", 16)], port, 1, None)
        before = memory([worker]).rss
        requests = 0
        for number in range(case.views):
            if case.part:
                path = f"/{number}/?waits={case.waits}"
                requests += together([Load(path, 16)], port, case.part * seconds, None)[0].requests
            else:
                requests += A_FEW
                for _ in range(A_FEW):
                    answer(port, f"/{number}/")
        return memory([worker]).rss - before, requests


if __name__ == "__main__":
    raise SystemExit(main())
