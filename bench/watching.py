"""What it costs to tell of the waits of other clients: a call that does nothing, six functions deep in a library.

    python -m bench.watching

Within a request whose time is accounted for, nanoseconds of the thread a call, with turnout's wrapper and without. The
bar is 1 us. For pools: what a call costs more that is given a connection at once. The last column of numbers: the same
wrapper where nothing is accounted for (there it would not be put in).
"""

from __future__ import annotations

import statistics
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

from bench.load import fetch_json
from bench.serving import Serving, turnout

BAR_NS = 1000
REQUESTS = 100


def main() -> int:
    """Measure and judge."""
    missed = 0
    print("| library | a call, ns | watched | not accounted | |")
    print("| --- | --- | --- | --- | --- |")
    with served("exact") as exact, served("off") as off:
        port, without = exact.port, off.port
        facts: Any = fetch_json(port, "/facts/")
        for view, libraries in facts["views"].items():
            for library in libraries:
                path = f"/{view}/?library={quote(library)}"
                (bare, more), (_, outside) = cost(port, path), cost(without, path)
                missed += more > BAR_NS
                judged = "holds" if more <= BAR_NS else "**missed**"
                print(f"| {library} | {bare:.0f} | +{more:.0f} | +{outside:.0f} | {judged} |", flush=True)
    print(f"\n{', '.join(f'{name} {version}' for name, version in facts['versions'].items())}")
    return int(missed > 0)


def served(accounting: str) -> AbstractContextManager[Serving]:
    return turnout("watched:asgi", "--accounting", accounting, ready=("versions",))


def cost(port: int, path: str) -> tuple[float, float]:
    """Nanoseconds of a bare call, and how many more of a watched one: medians over requests."""
    found = [fetch_json(port, path) for _ in range(REQUESTS)]
    more = statistics.median(one["watched"] - one["bare"] for one in found)
    return statistics.median(one["bare"] for one in found), more


if __name__ == "__main__":
    raise SystemExit(main())
