"""A client alone in a process: one round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

from bench.client.rows import Loop
from bench.client.upstream import Instruments, calls
from bench.measure import HERE, SERVER_CORE
from bench.results import Run


def loop(run: Run, tools: Instruments, question: Loop, client: str, say: Callable[[str], None]) -> None:
    """Starts the upstream and the client, and adds a round to the client's row."""
    row = run.row(question.name, question.name, client, client, pinned=tools.pinned)
    with tools.upstream(*question.upstream, tls=question.tls) as upstream:
        # The certificate is the name's.
        base = upstream.replace("127.0.0.1", "localhost") if question.tls else upstream
        arguments = [argument.format(upstream=base) for argument in question.clients[client]]
        trust = ["--authority", str(tools.authority)] if question.tls else []
        pin = ["taskset", "--cpu-list", str(SERVER_CORE)] if tools.pinned else []
        argv = [*pin, sys.executable, "-m", "bench.client.calls", *arguments, "--url", f"{base}{question.path}", *trust]
        done = subprocess.run(
            [*argv, "--seconds", str(tools.seconds)],
            cwd=HERE.parent,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=tools.seconds + 120,
            start_new_session=True,
            check=False,
        )
        made = None if question.tls else calls(upstream)
    if done.returncode or not done.stdout:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
        row.void.append(f"it ended with {done.returncode}: {said[-1] if said else 'it said nothing'}")
        say(f"    void: {row.void[-1]}")
        return
    found = json.loads(done.stdout)
    number = max(1, found["calls"])
    failures = sum(found["failures"].values())
    figures = {
        "rps": found["calls"] / found["seconds"],
        "p50": found["p50"],
        "p99": found["p99"],
        "p999": found["p999"],
        "cpu_us": found["cpu"] / number * 1e6,
        "per_cpu": number / max(found["cpu"], 1e-9),
        "rss_mib": found["rss_mib"],
        "failures": failures,
    }
    if made is not None:
        # The warm-up's are among both.
        figures["amplification"] = made / max(1, found["all_calls"])
    row.rounds.append(figures)
    if failures and not question.counts_failures:
        row.void.append(f"failed: {found['failures']}")
    told = ", ".join(f"{name} {figures[name]:,.1f}" for name in ("rps", "p50", "p99", "p999", "cpu_us", "failures"))
    say(f"    {told}{''.join(f' [void: {why}]' for why in row.void)}")
