"""turnout beside its rivals: `python -m bench run`, `list`, `report FILE`. See bench/README.md."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from bench import machine
from bench.command import command, say
from bench.measure import HERE, LOAD_CORE, LOGS, Plan, measure
from bench.processes import Child, running, wait_until
from bench.question import tables
from bench.report import bars, markdown
from bench.results import Run
from bench.scenarios import SCENARIOS, Entry, Scenario
from bench.servers import FAMILIES, Server, variants

RESULTS = HERE / "results"


def main() -> int:
    options = _parser().parse_args()
    if options.command == "list":
        for name, scenario in SCENARIOS.items():
            print(f"{name:18} {scenario.title}")
        return 0
    if options.command == "report":
        run = Run.load(options.file)
        if options.question:
            print(tables(run, pinned=not options.unpinned))
            return 0
        _publish(run, options.file)
        print(markdown(run))
        return 0
    return _run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the scenarios")
    report = commands.add_parser("report", help="tables and pictures of a stored run")
    report.add_argument("file", type=Path)
    report.add_argument("--question", action="store_true", help="only the question people ask, as the README has it")
    report.add_argument("--unpinned", action="store_true", help="with --question: of the unpinned rounds")
    run = commands.add_parser("run", help="measure")
    run.add_argument(
        "--only", type=_names(SCENARIOS), default=list(SCENARIOS), help="scenarios, by comma; a prefix* names several"
    )
    run.add_argument("--servers", type=_names(FAMILIES), default=list(FAMILIES), help="families, by comma")
    run.add_argument("--rounds", type=int, default=3, help="alternating rounds (3)")
    run.add_argument("--seconds", type=float, default=6, help="of load a case and round (6)")
    run.add_argument("--warm-up", type=float, default=2, help="seconds of load that are not counted (2)")
    run.add_argument(
        "--pinning",
        choices=("both", "pinned", "unpinned"),
        default="both",
        help="a core each for server and load, or not",
    )
    run.add_argument("--all-variants", action="store_true", help="measure every variant of a rival, not its best")
    run.add_argument("--name", default="", help="of the result; snapshot-... is kept by git")
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    run.add_argument("--lab", type=Path, default=target / "release" / "turnout-lab", help="the simulated upstream")
    return parser


def _names(known: object) -> object:
    def parse(text: str) -> list[str]:
        found: list[str] = []
        for wish in text.split(","):
            fits = [name for name in known if name == wish or (wish.endswith("*") and name.startswith(wish[:-1]))]
            if not fits:
                raise argparse.ArgumentTypeError(f"{wish!r} is none of {', '.join(known)}")
            found += fits
        return found

    return parse


def _run(options: argparse.Namespace) -> int:
    settings = {"rounds": options.rounds, "seconds": options.seconds, "warm-up": options.warm_up}
    run = Run(machine.describe(), settings)
    name = options.name or datetime.now(timezone.utc).strftime("%Y-%m-%d-%H%M%S")
    file = RESULTS / f"{name}.json"
    pinnings = {"both": (True, False), "pinned": (True,), "unpinned": (False,)}[options.pinning]
    if True in pinnings and (os.cpu_count() or 1) <= LOAD_CORE:
        sys.exit("bench: pinned runs need two cores (--pinning unpinned)")
    for pinned in pinnings:
        if pinned:
            # This program reads and waits: it belongs beside the load.
            os.sched_setaffinity(0, {LOAD_CORE})
        else:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        with running(_upstream(options.lab, LOAD_CORE if pinned else None)) as lab:
            plan = Plan(options.seconds, options.warm_up, pinned, _url(lab), say=say)
            for scenario in (SCENARIOS[wish] for wish in options.only):
                _scenario(plan, run, scenario, options)
                run.save(file)
    _publish(run, file)
    print(markdown(run))
    say(f"stored: {file}")
    return 0


def _scenario(plan: Plan, run: Run, scenario: Scenario, options: argparse.Namespace) -> None:
    say(f"\n{scenario.title} ({'pinned' if plan.pinned else 'unpinned'})")
    entries = [entry for entry in scenario.entries if entry.family in options.servers]
    chosen = [
        (server, [case for case in scenario.cases if entry in scenario.entries_of(case)])
        for entry in entries
        for server in _servers(plan, scenario, entry, options)
    ]
    for number in range(options.rounds):
        # Every other round backwards: nobody is always the first after the pause or the last in the heat.
        for server, cases in chosen[:: 1 if number % 2 == 0 else -1]:
            say(f"  round {number + 1}: {server.label}")
            for group in [[case] for case in cases] if scenario.apart else [cases]:
                measure(plan, run, scenario, server, group)
    for verdict in bars(run, scenario, pinned=plan.pinned):
        say(f"  {verdict}")


def _servers(plan: Plan, scenario: Scenario, entry: Entry, options: argparse.Namespace) -> list[Server]:
    """The variants of a family that take part: the best of a short trial, or all."""
    candidates = variants(entry.family, scenario.project, entry.threads)
    if len(candidates) == 1 or options.all_variants:
        return candidates
    # The last case: the one that every family of the scenario takes part in.
    case = [case for case in scenario.cases if entry in scenario.entries_of(case)][-1]
    trial = Run({}, {})
    short = Plan(max(1.0, plan.seconds / 3), 1, plan.pinned, plan.upstream, say=lambda line: None, answers=plan.answers)
    for server in candidates:
        measure(short, trial, scenario, server, [case])
    rows = {row.label: row.median("rps") or 0.0 for row in trial.rows}
    best = max(candidates, key=lambda server: rows.get(server.label, 0.0))
    say(f"  trial: {', '.join(f'{label} {rps:.0f} rps' for label, rps in rows.items())}")
    return [best]


def _upstream(lab: Path, core: int | None) -> Child:
    if not lab.exists():
        sys.exit(f"bench: {lab} is missing: cargo build --release -p turnout-lab")
    argv = [str(lab), "upstream", "--bind", "127.0.0.1:0"]
    child = Child(argv, core=core, env=os.environ, cwd=HERE, log=LOGS / "upstream.log")
    wait_until(lambda: child.log.read_text().startswith("http://"), seconds=10, child=child, what="the upstream")
    return child


def _url(lab: Child) -> str:
    return lab.log.read_text().splitlines()[0]


def _publish(run: Run, file: Path) -> None:
    """Tables and pictures beside the stored figures."""
    from bench.plots import draw

    file.with_suffix(".md").write_text(markdown(run))
    draw(run, file.with_suffix(""))


if __name__ == "__main__":
    command(main)
