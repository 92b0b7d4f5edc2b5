"""One server through the cases of a scenario: answers looked at, warmed up, loaded, read.

The server has one core, and everything around it (load, upstream, this program) the other; or, unpinned, all may go
anywhere.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import load as generator
from bench.processes import Child, Sampler, core_times, cpu_seconds, memory, running, wait_until
from bench.results import BUSIEST_LOAD, Run
from bench.scenarios import Case, Scenario
from bench.servers import Server

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
LOGS = HERE / "results" / "logs"
SERVER_CORE, LOAD_CORE = 0, 1


@dataclass
class Plan:
    """How a run measures."""

    seconds: float
    warm_up: float
    pinned: bool
    upstream: str
    say: Callable[[str], None]
    # (scenario, case) -> (who answered first, the answer): what every later server has to answer.
    answers: dict[tuple[str, str], tuple[str, dict[str, object]]] = field(default_factory=dict)

    @property
    def load_core(self) -> int | None:
        return LOAD_CORE if self.pinned else None

    @property
    def server_core(self) -> int | None:
        return SERVER_CORE if self.pinned else None


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(plan: Plan, run: Run, scenario: Scenario, server: Server, cases: list[Case]) -> None:
    """Starts the server, takes it through the cases and adds a round to each of its rows."""
    rows = {
        case.name: run.row(scenario.name, case.name, server.family, server.label, pinned=plan.pinned) for case in cases
    }
    port = free_port()
    try:
        with running(start(server, port, plan)) as child:
            for case in cases:
                row = rows[case.name]
                try:
                    strange = _compare(plan, scenario, case, server, port)
                    figures, reasons = _measure_case(plan, case, child, port, scenario.stretch)
                except (OSError, RuntimeError, ValueError) as error:
                    row.void.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")
                    plan.say(f"    {case.name}: void: {row.void[-1]}")
                    if not child.alive:
                        raise RuntimeError(f"{server.label} ended:\n{child.tail()}") from None
                    continue
                row.rounds.append(figures)
                row.void.extend(reason for reason in (*strange, *reasons) if reason not in row.void)
                plan.say(f"    {case.name}: {_brief(figures)}{''.join(f' [void: {why}]' for why in row.void)}")
    except RuntimeError as error:
        plan.say(f"    {error}")
        for row in rows.values():
            if not row.rounds:
                row.void.append(str(error).splitlines()[0])


def start(server: Server, port: int, plan: Plan) -> Child:
    """The server, ready for requests."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SITE), str(HERE.parent)]),
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "BENCH_UPSTREAM": plan.upstream,
        "BENCH_INTERFACE": server.interface,
    }
    log = LOGS / f"{server.label.replace(' ', '-')}.log"
    child = Child(server.command(port), core=plan.server_core, env=environment, cwd=SITE, log=log)

    try:
        wait_until(lambda: generator.tells(port, "pid"), seconds=30, child=child, what=server.label)
    except BaseException:
        child.stop()
        raise
    return child


def _compare(plan: Plan, scenario: Scenario, case: Case, server: Server, port: int) -> list[str]:
    """Looks at one answer, and says where it differs from the first server's."""
    answer = generator.answer(port, case.load.path)
    if answer["status"] != 200:
        raise ValueError(f"{case.load.path} answered {answer['status']}")
    who, expected = plan.answers.setdefault((scenario.name, case.name), (server.label, answer))
    return [
        f"{part} differs from {who}'s: {_difference(answer[part], expected[part])}"
        for part in ("status", "headers", "body")
        if answer[part] != expected[part]
    ]


def _difference(ours: object, theirs: object) -> str:
    if isinstance(ours, list) and isinstance(theirs, list):
        only = [f"+{name}: {value}" for name, value in ours if [name, value] not in theirs]
        return "; ".join([*only, *(f"-{name}: {value}" for name, value in theirs if [name, value] not in ours)])
    return f"{str(ours)[:80]!r}, not {str(theirs)[:80]!r}"


def _measure_case(
    plan: Plan, case: Case, child: Child, port: int, stretch: float
) -> tuple[dict[str, float], list[str]]:
    streams = [case.load, *([case.beside] if case.beside else [])]
    idle = memory(child.tree()).rss
    generator.together(streams, port, plan.warm_up * stretch, plan.load_core)

    before = generator.fetch_json(port, "/facts/")
    pids = child.tree()
    cpu, core, began = cpu_seconds(pids), core_times(LOAD_CORE), time.monotonic()
    sampler = Sampler(child)
    sampler.start()
    main, *others = generator.together(streams, port, plan.seconds * stretch, plan.load_core)
    core_after, cpu_after = core_times(LOAD_CORE), cpu_seconds(pids)
    wall = time.monotonic() - began
    most = sampler.stop()
    after = generator.fetch_json(port, "/facts/")

    answered = max(1, main.requests + sum(other.requests for other in others))
    busy = (core_after[0] - core[0]) / max(1e-9, core_after[1] - core[1]) if plan.pinned else main.generator
    figures = {
        "rps": main.rps,
        "p50": main.p50,
        "p99": main.p99,
        "cpu_us": (cpu_after - cpu) / answered * 1e6,
        "cpu_share": (cpu_after - cpu) / wall,
        "switches": (after["switches"] - before["switches"]) / answered,
        "rss_mib": most.rss / 2**20,
        "pss_mib": most.pss / 2**20,
        "waiting_kib": max(0, most.rss - idle) / case.load.connections / 2**10,
        "threads": most.threads,
        "load_busy": busy,
    }
    for other in others:
        figures |= {"beside_rps": other.rps, "beside_p50": other.p50, "beside_p99": other.p99}
    reasons = [f"errors: {stream.first_error}" for stream in (main, *others) if stream.errors]
    reasons += ["no request was answered"] if main.requests == 0 else []
    reasons += [f"the load's core was {busy:.0%} busy"] if busy > BUSIEST_LOAD else []
    reasons += ["the process was replaced"] if before["pid"] != after["pid"] else []
    return figures, reasons


def _brief(figures: dict[str, float]) -> str:
    told = [
        f"{figures['rps']:.0f} rps, p50 {figures['p50']:.1f} ms, p99 {figures['p99']:.1f} ms",
        f"{figures['cpu_us']:.0f} us CPU, {figures['switches']:.1f} switches",
        f"{figures['threads']:.0f} threads, {figures['rss_mib']:.0f} MiB, load {figures['load_busy']:.0%}",
    ]
    if "beside_rps" in figures:
        told.append(f"beside {figures['beside_rps']:.0f} rps")
    return ", ".join(told)
