"""One ORM read on PostgreSQL from an async view, beside the ASGI rivals.

    python -m bench.orm [--connections 32] [--rounds 3] [--seconds 3] [--name snapshot-orm]

turnout with CONN_MAX_AGE 600 and 0; the rivals with OPTIONS["pool"], which Django's documentation asks for under ASGI,
and with 0. The server has one core, the load and the database the other. Medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.load import Figures, Load, answer, together
from bench.machine import describe
from bench.postgres import fill, postgres
from bench.processes import Child, Sampler, cpu_seconds, running, wait_until
from bench.servers import Server, variants

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
PATH = "/orm/"
#: How a connection is kept: what it adds to DATABASES.
KEPT: dict[str, dict[str, object]] = {
    "CONN_MAX_AGE 600": {"CONN_MAX_AGE": 600},
    "CONN_MAX_AGE 0": {"CONN_MAX_AGE": 0},
    "pool": {"OPTIONS": {"pool": {"min_size": 4, "max_size": 16}}},
}
TAKES_PART = (
    ("turnout", "CONN_MAX_AGE 600"),
    ("turnout", "CONN_MAX_AGE 0"),
    ("turnout", "pool"),
    ("granian-asgi", "pool"),
    ("granian-asgi", "CONN_MAX_AGE 0"),
    ("uvicorn", "pool"),
    ("uvicorn", "CONN_MAX_AGE 0"),
)
BAR = 2.0


@dataclass
class Round:
    """What one server did under the load."""

    figures: Figures
    cpu: float
    threads: int
    connections: int


def measure(server: Server, database: dict[str, object], load: Load, seconds: float, cores: list[int]) -> Round:
    """One server, started anew."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "BENCH_DATABASE": json.dumps(database)}
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        child = Child(server.command(port), core=cores[0], env=env, cwd=SITE, log=Path(folder) / "log")
        with running(child):
            wait_until(lambda: _answers(port), seconds=30, child=child, what=server.label)
            together([load], port, 1, cores[-1])
            sampler = Sampler(child)
            sampler.start()
            before = cpu_seconds(child.tree())
            (figures,) = together([load], port, seconds, cores[-1])
            cpu = cpu_seconds(child.tree()) - before
            most = sampler.stop()
            return Round(figures, cpu, most.threads, _connections(database))


def _answers(port: int) -> bool:
    try:
        return answer(port, PATH)["status"] == 200
    except OSError:
        return False


def _connections(database: dict[str, object]) -> int:
    """How many the server has at the end of the round."""
    import psycopg

    where = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "dbname": database["NAME"]}
    with psycopg.connect(**where) as connection:  # type: ignore[arg-type]
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def main() -> None:
    """Measure, and print a table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--servers", default="turnout,granian-asgi,uvicorn")
    parser.add_argument("--name", help="keep the figures as results/NAME.md")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    load = Load(PATH, arguments.connections)
    rounds: dict[tuple[str, str], list[Round]] = defaultdict(list)
    with postgres(cores[-1]) as database:
        fill(SITE, database)
        for _ in range(arguments.rounds):
            for family, kept in TAKES_PART:
                if family not in arguments.servers.split(","):
                    continue
                # granian's second variant is uvloop, its better one wherever there is little Python.
                server = variants(family, "django")[-1]
                one = measure(server, {**database, **KEPT[kept]}, load, arguments.seconds, cores)
                rounds[family, kept].append(one)
                print(f"{family:14}{kept:18}{one.figures.rps:8.0f} rps", flush=True)
    table = _table(rounds)
    print("\n".join(table))
    if arguments.name:
        machine = ", ".join(f"{name} {value}" for name, value in describe().items())
        head = ["# One ORM read on PostgreSQL from an async view", "", f"{machine}.", ""]
        said = f"{arguments.connections} connections, {arguments.rounds} alternating rounds of {arguments.seconds:g} s"
        lines = [*head, f"{said}, medians; server on one core, load and database on the other.", "", *table, ""]
        (HERE / "results" / f"{arguments.name}.md").write_text("\n".join(lines))


def _table(rounds: dict[tuple[str, str], list[Round]]) -> list[str]:
    lines = [
        "| server | connections kept | rps | p50 ms | p99 ms | CPU us a request | threads | open at the end | errors |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rps = {}
    for (family, kept), each in rounds.items():
        rps[family, kept] = statistics.median(one.figures.rps for one in each)
        p50 = statistics.median(one.figures.p50 for one in each)
        p99 = statistics.median(one.figures.p99 for one in each)
        cpu = statistics.median(1e6 * one.cpu / max(one.figures.requests, 1) for one in each)
        most = f"{max(one.threads for one in each)} | {max(one.connections for one in each)}"
        errors = sum(one.figures.errors for one in each)
        times = f"{p50:.1f} | {p99:.1f} | {cpu:.0f}"
        lines.append(f"| {family} | {kept} | {rps[family, kept]:,.0f} | {times} | {most} | {errors} |")
    lines.append("")
    for mine in ("CONN_MAX_AGE 600", "CONN_MAX_AGE 0"):
        for family, kept in rps:
            if family != "turnout" and ("turnout", mine) in rps:
                ratio = rps["turnout", mine] / rps[family, kept]
                holds = "holds" if ratio >= BAR else "does not hold"
                lines.append(f"- turnout with {mine} over {family} with {kept}: {ratio:.2f}, at least {BAR:g}: {holds}")
    return lines


if __name__ == "__main__":
    main()
