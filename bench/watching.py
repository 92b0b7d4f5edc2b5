"""What it costs to tell of the waits of other clients: a call that does nothing, six functions deep in a library.

    python -m bench.watching

Within a request whose time is accounted for, nanoseconds of the thread a call, with turnout's wrapper and without. The
bar is 1 us. For pools: what a call costs more that is given a connection at once. The last column of numbers: the same
wrapper where nothing is accounted for (there it would not be put in).
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.load import fetch_json, tells
from bench.measure import free_port
from bench.processes import Child, running, wait_until

SITE = Path(__file__).resolve().parent / "site"
BAR_NS = 1000
REQUESTS = 100


def main() -> int:
    """Measure and judge."""
    missed = 0
    print("| library | a call, ns | watched | not accounted | |")
    print("| --- | --- | --- | --- | --- |")
    with served("exact") as port, served("off") as without:
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


def cost(port: int, path: str) -> tuple[float, float]:
    """Nanoseconds of a bare call, and how many more of a watched one: medians over requests."""
    found = [fetch_json(port, path) for _ in range(REQUESTS)]
    more = statistics.median(one["watched"] - one["bare"] for one in found)
    return statistics.median(one["bare"] for one in found), more


@contextmanager
def served(accounting: str) -> Iterator[int]:
    """Its port."""
    port = free_port()
    command = [sys.executable, "-m", "turnout", "serve", "watched:asgi", "--bind", f"127.0.0.1:{port}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), str(SITE.parent.parent / "python")])}
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        log = Path(folder, "log")
        child = Child([*command, "--accounting", accounting], core=None, env=environment, cwd=SITE, log=log)
        with running(child):
            wait_until(lambda: tells(port, "versions"), seconds=30, child=child, what="turnout")
            yield port


if __name__ == "__main__":
    raise SystemExit(main())
