"""A run as text: one Markdown table a scenario, the bars beside it, void rows with their reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.results import Row, Run
from bench.scenarios import SCENARIOS, Case, Scenario

COLUMNS = {
    "rps": "rps",
    "p50": "p50 ms",
    "p99": "p99 ms",
    "cpu_us": "CPU µs a request",
    "switches": "switches a request",
    "threads": "threads",
    "rss_mib": "RSS MiB",
    "pss_mib": "PSS MiB",
    "waiting_kib": "KiB a waiting request",
    "beside_rps": "rps beside",
    "beside_p99": "p99 ms beside",
}
# Said only where it means something.
ONLY_IN = {"waiting_kib": ("waiting",)}


def markdown(run: Run) -> str:
    """The whole run."""
    parts = [_head(run)]
    for name, scenario in SCENARIOS.items():
        for pinned in (True, False):
            if run.of(name, pinned=pinned):
                parts.append(_scenario(run, scenario, pinned=pinned))
    return "\n".join(parts)


def bars(run: Run, scenario: Scenario, *, pinned: bool) -> list[str]:
    """The verdicts on a scenario's bars."""

    def lookup(family: str, case: str, metric: str) -> float | None:
        return run.figure(scenario.name, pinned=pinned, family=family, case=case, metric=metric)

    return [bar.verdict(lookup) for bar in scenario.bars]


def _head(run: Run) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    settings = ", ".join(f"{name} {value}" for name, value in run.settings.items())
    told = f"{settings}. Medians of the rounds; the spread of rps is (max - min) / median."
    return f"# turnout beside its rivals\n\n{machine}.\n\n{told}\n"


def _scenario(run: Run, scenario: Scenario, *, pinned: bool) -> str:
    where = "server and load on a core each" if pinned else "unpinned"
    lines = [f"## {scenario.title} ({where})", "", scenario.says, ""]
    for case in scenario.cases:
        rows = run.of(scenario.name, pinned=pinned, case=case.name)
        if rows:
            lines += [*_table(scenario, case, rows), ""]
    lines += [f"- {verdict}" for verdict in bars(run, scenario, pinned=pinned)]
    return "\n".join(lines) + "\n"


def _table(scenario: Scenario, case: Case, rows: list[Row]) -> list[str]:
    shown = [
        metric
        for metric in COLUMNS
        if scenario.name in ONLY_IN.get(metric, (scenario.name,))
        and any(row.median(metric) is not None for row in rows)
    ]
    return table(case.title, COLUMNS, shown, sorted(rows, key=lambda row: -(row.median("rps") or 0)), _number)


def table(
    title: str, columns: Mapping[str, str], shown: list[str], rows: list[Row], number: Callable[[float | None], str]
) -> list[str]:
    """Rows of a run as Markdown: these metrics, the spread, and why a row is void."""
    lines = [
        f"| {title} | {' | '.join(columns[metric] for metric in shown)} | spread | |",
        f"| --- |{' ---: |' * (len(shown) + 1)} --- |",
    ]
    for row in rows:
        cells = [number(row.median(metric)) for metric in shown]
        void = f"void: {row.void[0]}" if row.void else ""
        name = f"**{row.label}**" if row.family == "turnout" else row.label
        lines.append(f"| {name} | {' | '.join(cells)} | {row.spread('rps'):.0%} | {void} |")
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
