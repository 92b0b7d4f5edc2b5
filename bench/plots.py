"""Bars and dots of a run as SVG and PNG: readable without colour (turnout is hatched, every bar says its figure)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from bench.results import Row, Run
from bench.scenarios import SCENARIOS, Scenario

# Okabe and Ito's palette holds for every kind of colour vision.
OURS, THEIRS = "#0072B2", "#BBBBBB"
INK = "#222222"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "svg.fonttype": "none",
    # The same run gives the same file.
    "svg.hashsalt": "turnout",
}


def draw(run: Run, folder: Path) -> list[Path]:
    """One picture a scenario; the paths of the SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with plt.rc_context(STYLE):
        for name, scenario in SCENARIOS.items():
            for pinned in (True, False):
                if run.of(name, pinned=pinned):
                    drawn.append(_scenario(run, scenario, folder, pinned=pinned))
    return drawn


def _scenario(run: Run, scenario: Scenario, folder: Path, *, pinned: bool) -> Path:
    cases = [
        (case, rows)
        for case in scenario.cases
        if (rows := _counted(run.of(scenario.name, pinned=pinned, case=case.name)))
    ]
    # Latency is the question where views are neighbours, throughput everywhere else.
    metric, unit = (
        ("p99", "p99 in ms, less is better") if scenario.name == "neighbours" else ("rps", "requests a second")
    )
    # One scale for all cases of a scenario, so that they can be compared; latencies lie too far apart for that.
    widest = (
        max((row.median(metric) or 0.0 for _, rows in cases for row in rows), default=1.0) if metric == "rps" else 0
    )
    heights = [len(rows) for _, rows in cases] or [1]
    figure, axes = plt.subplots(
        len(heights),
        1,
        figsize=(8, 0.9 + sum(0.36 * height + 0.75 for height in heights)),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
        layout="constrained",
    )
    for axis, (case, rows) in zip(axes[:, 0], cases, strict=False):
        rows = sorted(rows, key=lambda row: row.median(metric) or 0, reverse=metric == "p99")
        values = [row.median(metric) or 0.0 for row in rows]
        ours = [row.family == "turnout" for row in rows]
        bars = axis.barh(
            [row.label for row in rows],
            values,
            color=[OURS if mine else THEIRS for mine in ours],
            edgecolor=INK,
            linewidth=0.6,
            height=0.68,
        )
        for bar, mine in zip(bars, ours, strict=True):
            bar.set_hatch("//" if mine else "")
        axis.bar_label(
            bars, labels=[f" {value:,.0f}" if value >= 10 else f" {value:.1f}" for value in values], padding=2
        )
        axis.set_title(case.title, loc="left", fontsize=11)
        axis.set_xlim(0, (widest or max(values, default=1)) * 1.14 or 1)
        axis.tick_params(axis="y", length=0)
        axis.set_xticks([])
        axis.spines["bottom"].set_visible(False)
    figure.suptitle(scenario.title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    figure.supxlabel(f"{unit} ({'a core each' if pinned else 'unpinned'})", fontsize=10)
    path = folder / f"{scenario.name}-{'pinned' if pinned else 'unpinned'}.svg"
    figure.savefig(path, metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=110)
    plt.close(figure)
    return path


def _counted(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row.void and row.rounds]
