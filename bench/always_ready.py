"""What a Python task that does `sleep(0)` for ever takes from the requests beside it.

    python -m bench.always_ready [--rounds 3] [--seconds 4]

Bare ASGI at 32 connections, alone and beside such tasks, by turns in one running server; the server has one core, wrk
the other. The bar is requirement 12 of the reactor's: beside one, at least 80 % of the rps. uvicorn stands beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.load import Load, answer, tells, together
from bench.measure import free_port
from bench.processes import Child, running, wait_until

SITE = Path(__file__).resolve().parent / "site"
CONNECTIONS = 32
TASKS = (0, 1, 100)
BAR = 0.8
APP = "spinning:asgi"
SERVERS = {
    "turnout": ("turnout", "serve", APP, "--interface", "asgi", "--bind", "127.0.0.1:{port}"),
    "uvicorn": ("uvicorn", APP, "--port", "{port}", "--no-access-log", "--log-level", "warning"),
}


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--servers", default="turnout,uvicorn")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    print(f"{'server':10}" + "".join(f"{f'beside {tasks}':>28}" for tasks in TASKS))
    for name in options.servers.split(","):
        rates = measure(name, cores[0], options.rounds, options.seconds)
        medians = [statistics.median(found) for found in rates.values()]
        alone = medians[0]
        cells = (f"{median:,.0f} rps ({median / alone:.2f})" for median in medians)
        print(f"{name:10}" + "".join(f"{cell:>28}" for cell in cells), flush=True)
        if name == "turnout":
            kept = medians[TASKS.index(1)] / alone
            print(f"beside one: {kept:.2f}, at least {BAR}: {'holds' if kept >= BAR else 'does not hold'}")


def measure(name: str, core: int, rounds: int, seconds: float) -> dict[int, list[float]]:
    """Requests a second by how many tasks are always ready."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[name])]
    rates: dict[int, list[float]] = {tasks: [] for tasks in TASKS}
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        child = Child(command, core=core, env=environment, cwd=SITE, log=Path(folder, "log"))
        with running(child):
            wait_until(lambda: tells(port, "pid"), seconds=30, child=child, what=name)
            together([Load("/", CONNECTIONS)], port, 1, None)
            for _ in range(rounds):
                for tasks in TASKS:
                    answer(port, f"/spin/{tasks}")
                    (figures,) = together([Load("/", CONNECTIONS)], port, seconds, None)
                    if figures.errors:
                        raise RuntimeError(f"{name}: {figures.first_error}")
                    rates[tasks].append(figures.rps)
    return rates


if __name__ == "__main__":
    main()
