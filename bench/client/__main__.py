"""turnout.http beside its rivals.

    python -m bench.client                                      # everything, pinned and unpinned
    python -m bench.client --only fan-out,single* --rounds 1    # a look
    python -m bench.client --name snapshot-http                 # kept by git: results/snapshot-http.{json,md}

`python -m bench.client --list` names the rows; README.md says how it is measured. The client, or the server with it,
has one core, upstream and load the other; then all go where they like.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path

from bench import machine
from bench.client.loops import loop
from bench.client.report import markdown, verdicts
from bench.client.rows import LOOPS, SITES, Contender, Site
from bench.client.sites import site
from bench.client.upstream import Instruments
from bench.command import command, say
from bench.measure import HERE, LOAD_CORE
from bench.results import Run
from bench.servers import Server, variants

RESULTS = HERE / "results"


def main() -> int:
    options = _parser().parse_args()
    rows = [*SITES, *LOOPS]
    if options.list:
        for name in rows:
            print(f"{name:18} {(SITES.get(name) or LOOPS[name]).title}")
        return 0
    chosen = [name for name in rows if any(fnmatchcase(name, wish) for wish in options.only.split(","))]
    if not chosen:
        raise SystemExit(f"{options.only!r} is none of {', '.join(rows)}")
    pinnings = {"both": (True, False), "pinned": (True,), "unpinned": (False,)}[options.pinning]
    if True in pinnings and (os.cpu_count() or 1) <= LOAD_CORE:
        raise SystemExit("pinned rows need two cores (--pinning unpinned)")
    settings = {"rounds": options.rounds, "seconds": options.seconds}
    run = Run(machine.describe(), settings)
    file = RESULTS / f"{options.name or datetime.now(timezone.utc).strftime('client-%Y-%m-%d-%H%M%S')}.json"
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        for pinned in pinnings:
            os.sched_setaffinity(0, {LOAD_CORE} if pinned else range(os.cpu_count() or 1))
            tools = Instruments(options.lab, Path(folder), pinned, options.seconds, options.rivals_only)
            for name in chosen:
                _rounds(run, tools, name, options.rounds)
                run.save(file)
    file.with_suffix(".md").write_text(markdown(run))
    print(markdown(run))
    say(f"stored: {file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.client", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="the rows")
    parser.add_argument("--only", default="*", help="rows, by comma; * stands for any text")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (3)")
    parser.add_argument("--seconds", type=float, default=6, help="of load a row and round (6)")
    parser.add_argument("--pinning", choices=("both", "pinned", "unpinned"), default="both")
    parser.add_argument("--rivals-only", action="store_true", help="without turnout's own client")
    parser.add_argument("--name", default="", help="of the result; snapshot-... is kept by git")
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    parser.add_argument("--lab", type=Path, default=target / "release" / "turnout-lab", help="upstream and load")
    return parser


def _rounds(run: Run, tools: Instruments, name: str, rounds: int) -> None:
    """All contenders of a row, every other round backwards."""
    question = SITES.get(name) or LOOPS[name]
    say(f"\n{question.title} ({'pinned' if tools.pinned else 'unpinned'})")
    turns: Sequence[tuple[str, Callable[[], None]]]
    if isinstance(question, Site):
        answers: dict[str, object] = {}
        turns = [
            (server.label, lambda server=server, one=one: site(run, tools, question, one, server, answers, say))
            for one in question.contenders
            if not (tools.rivals_only and (one.uses_ours or "turnout" in (question.beside or ("",))[0]))
            for server in [_best(tools, question, one)]
        ]
    else:
        turns = [
            (client, lambda client=client: loop(run, tools, question, client, say))
            for client, arguments in question.clients.items()
            if not (tools.rivals_only and arguments[0].startswith("turnout"))
        ]
    for number in range(rounds):
        for label, turn in turns[:: 1 if number % 2 == 0 else -1]:
            say(f"  round {number + 1}: {label}")
            turn()
    for verdict in verdicts(run, question, pinned=tools.pinned):
        say(f"  {verdict}")


def _best(tools: Instruments, question: Site, one: Contender) -> Server:
    """The server that stands for a contender: of several variants the best of a short trial."""
    candidates = [replace(server, family=one.name) for server in variants(one.server, "django", one.threads or None)]
    if len(candidates) == 1:
        return candidates[0]
    trial = Run({}, {})
    short = replace(tools, seconds=max(1.0, tools.seconds / 3))
    for server in candidates:
        site(trial, short, question, one, server, {}, lambda line: None)
    rates = {row.label: row.median("rps") or 0.0 for row in trial.rows}
    say(f"  trial: {', '.join(f'{label} {rate:.0f} rps' for label, rate in rates.items())}")
    return max(candidates, key=lambda server: rates.get(server.label, 0.0))


if __name__ == "__main__":
    command(main)
