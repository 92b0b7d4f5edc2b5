"""The question people ask, as two tables for the README: what one call and ten calls cost, by server and way."""

from __future__ import annotations

from bench.results import Row, Run

CALLS = {1: "One call of 50 ms", 10: "Ten calls of 50 ms"}
AT_ONCE = (1, 50, 500)
WAYS = {"sync": "`def`, requests", "async": "`async def`, aiohttp"}
COLUMNS = {
    "rps": "requests a second",
    "p99": "p99 ms",
    "threads": "threads",
    "rss_mib": "memory MiB",
    "cpu_us": "CPU ms a request",
    "switches": "switches a request",
}


def tables(run: Run, *, pinned: bool) -> str:
    """Both tables; a cell holds the figures at 1, 50 and 500 at once."""
    parts = []
    for calls, title in CALLS.items():
        lines = [
            f"| {title}; at 1 / 50 / 500 at once | {' | '.join(COLUMNS.values())} |",
            f"| --- |{' ---: |' * len(COLUMNS)}",
        ]
        for way, how in WAYS.items():
            for label in _labels(run, calls, way, pinned=pinned):
                cells = [_cell(run, calls, way, label, metric, pinned=pinned) for metric in COLUMNS]
                name = f"**{label}**" if label.startswith("turnout") else label
                lines.append(f"| {name}, {how} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _labels(run: Run, calls: int, way: str, *, pinned: bool) -> list[str]:
    rows = [row for at in AT_ONCE for row in run.of(f"question-{calls}-{at}", pinned=pinned, case=way)]
    return list(dict.fromkeys(row.label for row in rows))


def _cell(run: Run, calls: int, way: str, label: str, metric: str, *, pinned: bool) -> str:
    return " / ".join(
        _figure(
            next(
                (row for row in run.of(f"question-{calls}-{at}", pinned=pinned, case=way) if row.label == label), None
            ),
            metric,
        )
        for at in AT_ONCE
    )


def _figure(row: Row | None, metric: str) -> str:
    value = row.median(metric) if row else None
    if row is None or value is None:
        return "-"
    if row.void:
        return "void"
    if metric == "cpu_us":
        return f"{value / 1000:.1f}"
    return f"{value:,.0f}" if value >= 20 or metric == "threads" else f"{value:.1f}"
