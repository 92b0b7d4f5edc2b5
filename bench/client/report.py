"""The rows as text."""

from __future__ import annotations

from bench.bars import Lookup
from bench.client.rows import ACROSS, LOOPS, SITES, Loop, Site
from bench.report import table
from bench.results import Row, Run

COLUMNS = {
    "rps": "a second",
    "p50": "p50 ms",
    "p99": "p99 ms",
    "p999": "p99.9 ms",
    "sample_p50": "upstream's p50 ms",
    "cpu_us": "CPU µs each",
    "switches": "switches each",
    "threads": "threads",
    "rss_mib": "RSS MiB",
    "amplification": "calls a call",
    "failures": "failed",
    "beside_rps": "a second beside",
    "beside_p99": "p99 ms beside",
}


def markdown(run: Run) -> str:
    """The whole run."""
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    settings = ", ".join(f"{name} {value}" for name, value in run.settings.items())
    parts = [f"# turnout.http beside its rivals\n\n{machine}.\n\n{settings}. Medians of the rounds.\n"]
    for pinned in (True, False):
        where = "a core each" if pinned else "unpinned"
        for name, question in {**SITES, **LOOPS}.items():
            rows = run.of(name, pinned=pinned)
            if rows:
                lines = [f"## {question.title} ({where})", "", question.says, "", *_table(rows), ""]
                parts.append(
                    "\n".join([*lines, *(f"- {line}" for line in verdicts(run, question, pinned=pinned))]) + "\n"
                )
        told = [f"- {bar.verdict(_lookup(run, pinned=pinned))}" for bar in ACROSS]
        if run.of("neighbour", pinned=pinned) or run.of("saturated", pinned=pinned):
            parts.append("\n".join([f"## Across ({where})", "", *told]) + "\n")
    return "\n".join(parts)


def verdicts(run: Run, question: Site | Loop, *, pinned: bool) -> list[str]:
    """What the row's bars say."""
    return [bar.verdict(_lookup(run, pinned=pinned)) for bar in question.bars]


def _lookup(run: Run, *, pinned: bool) -> Lookup:
    def lookup(family: str, case: str, metric: str) -> float | None:
        return run.figure(case, pinned=pinned, family=family, case=case, metric=metric)

    return lookup


def _table(rows: list[Row]) -> list[str]:
    shown = [metric for metric in COLUMNS if any(row.median(metric) is not None for row in rows)]
    return table("", COLUMNS, shown, rows, _number)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
