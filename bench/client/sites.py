"""A Django view under a server: one round of one contender."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import load as generator
from bench.client.rows import Contender, Site
from bench.client.upstream import Instruments, report
from bench.measure import LOAD_CORE, Plan, free_port, start
from bench.processes import Child, Sampler, core_times, cpu_seconds, running
from bench.results import BUSIEST_LOAD, Run
from bench.servers import Server

WARM_UP = 1.5


def site(
    run: Run,
    tools: Instruments,
    question: Site,
    one: Contender,
    server: Server,
    answers: dict[str, object],
    say: Callable[[str], None],
) -> None:
    """Starts upstream and server, loads it, and adds a round to the contender's row."""
    row = run.row(question.name, question.name, one.name, server.label, pinned=tools.pinned)
    try:
        with tools.upstream() as upstream:
            plan = Plan(tools.seconds, WARM_UP, tools.pinned, upstream, say=say)
            port = free_port()
            with running(start(server, port, plan)) as child:
                strange = _compare(question, one, port, answers)
                if question.beside and question.beside_apart:
                    other = free_port()
                    with running(start(server, other, plan)):
                        figures, reasons = _measure(tools, question, one, child, port, other)
                else:
                    figures, reasons = _measure(tools, question, one, child, port, port)
    except (OSError, RuntimeError, ValueError) as error:
        row.void.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        say(f"    void: {error}")
        return
    row.rounds.append(figures)
    row.void.extend(reason for reason in (*strange, *reasons) if reason not in row.void)
    told = ", ".join(f"{name} {figures[name]:,.1f}" for name in ("rps", "p50", "p99", "cpu_us", "threads", "load_busy"))
    say(f"    {told}{''.join(f' [void: {why}]' for why in row.void)}")


def _compare(question: Site, one: Contender, port: int, answers: dict[str, object]) -> list[str]:
    """One look at an answer: the same as every other contender's."""
    answer = generator.answer(port, one.path)
    if answer["status"] != 200:
        raise ValueError(f"{one.path} answered {answer['status']}")
    if question.sample:
        # It differs from call to call: that is what it is for.
        answer["headers"] = [pair for pair in answer["headers"] if pair[0] != question.sample]  # type: ignore[union-attr]
    first = answers.setdefault("answer", answer)
    return [] if answer == first else [f"the answer differs: {str(answer)[:120]}"]


def _measure(
    tools: Instruments, question: Site, one: Contender, child: Child, port: int, beside_port: int
) -> tuple[dict[str, float], list[str]]:
    more = ["--rate", str(question.rate)] if question.rate else []
    more += ["--sample", question.sample] if question.sample else []
    url = f"http://127.0.0.1:{port}{one.path}"

    def loads(seconds: float) -> tuple[dict, dict | None]:
        beside = None
        if question.beside:
            path, connections = question.beside
            beside = tools.load(f"http://127.0.0.1:{beside_port}{path}", connections, seconds)
        main = tools.load(url, question.connections, seconds, *more)
        found = report(main, seconds + 60)
        return found, report(beside, 60) if beside else None

    loads(WARM_UP)
    before = generator.fetch_json(port, "/facts/")
    pids = child.tree()
    cpu, core, began = cpu_seconds(pids), core_times(LOAD_CORE), time.monotonic()
    sampler = Sampler(child)
    sampler.start()
    main, beside = loads(tools.seconds)
    cpu_after, core_after, wall = cpu_seconds(pids), core_times(LOAD_CORE), time.monotonic() - began
    most = sampler.stop()
    after = generator.fetch_json(port, "/facts/")

    busy = (core_after[0] - core[0]) / max(1e-9, core_after[1] - core[1]) if tools.pinned else main["busy"]
    answered = max(1, main["requests"])
    figures = {
        "rps": main["rps"],
        "p50": main["latency_ms"]["p50"],
        "p99": main["latency_ms"]["p99"],
        "cpu_us": (cpu_after - cpu) / answered * 1e6,
        "cpu_share": (cpu_after - cpu) / wall,
        "switches": (after["switches"] - before["switches"]) / answered,
        "rss_mib": most.rss / 2**20,
        "threads": most.threads,
        "load_busy": busy,
    }
    if main["sample"]:
        figures |= {"sample_p50": main["sample"]["p50"], "sample_p99": main["sample"]["p99"]}
    if beside:
        figures |= {"beside_rps": beside["rps"], "beside_p99": beside["latency_ms"]["p99"]}
    reasons = [f"errors: {load['errors']}" for load in (main, beside) if load and load["errors"]["total"]]
    reasons += ["no request was answered"] if not main["requests"] else []
    reasons += [f"the load's core was {busy:.0%} busy"] if busy > BUSIEST_LOAD else []
    reasons += ["the process was replaced"] if before["pid"] != after["pid"] else []
    return figures, reasons
