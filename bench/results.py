"""The figures of a run: what is kept of every round, the medians, and the file they lie in."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

# A load generator that is busier than this measures itself.
BUSIEST_LOAD = 0.85

# What a round measures, as the tables name it; `beside_...` belongs to the second load of a case.
METRICS = (
    "rps",
    "p50",
    "p99",
    "cpu_us",
    "rss_mib",
    "pss_mib",
    "waiting_kib",
    "switches",
    "threads",
    "load_busy",
    "beside_rps",
    "beside_p50",
    "beside_p99",
)


@dataclass
class Row:
    """One server on one case: its rounds."""

    scenario: str
    case: str
    family: str
    label: str
    pinned: bool
    rounds: list[dict[str, float]] = field(default_factory=list)
    # Why the row does not count; empty if it does.
    void: list[str] = field(default_factory=list)

    def median(self, metric: str) -> float | None:
        """The middle of the rounds."""
        values = [figures[metric] for figures in self.rounds if metric in figures]
        return statistics.median(values) if values else None

    def spread(self, metric: str) -> float:
        """How far the rounds lie apart, as a share of their median."""
        values = [figures[metric] for figures in self.rounds if metric in figures]
        middle = statistics.median(values) if values else 0
        return (max(values) - min(values)) / middle if middle else 0.0


@dataclass
class Run:
    """All rows of one run and the machine they come from."""

    machine: dict[str, object]
    settings: dict[str, object]
    rows: list[Row] = field(default_factory=list)

    def row(self, scenario: str, case: str, family: str, label: str, *, pinned: bool) -> Row:
        """The row of that name, made if it is new."""
        for row in self.rows:
            if (row.scenario, row.case, row.label, row.pinned) == (scenario, case, label, pinned):
                return row
        self.rows.append(Row(scenario, case, family, label, pinned))
        return self.rows[-1]

    def of(self, scenario: str, *, pinned: bool, case: str | None = None) -> list[Row]:
        """The rows of a scenario (and of one case of it)."""
        return [
            row
            for row in self.rows
            if row.scenario == scenario and row.pinned == pinned and (case is None or row.case == case)
        ]

    def figure(self, scenario: str, *, pinned: bool, family: str, case: str, metric: str) -> float | None:
        """The median of the family's best row that counts."""
        rows = [row for row in self.of(scenario, pinned=pinned, case=case) if row.family == family and not row.void]
        rows = [row for row in rows if row.median("rps") is not None]
        best = max(rows, key=lambda row: row.median("rps") or 0.0, default=None)
        return best.median(metric) if best else None

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        stored = json.loads(path.read_text())
        rows = [Row(**row) for row in stored.pop("rows")]
        return cls(**stored, rows=rows)
