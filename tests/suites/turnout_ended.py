"""How each test of a foreign suite ended, written down for the test that runs it."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any


class Ended:
    """Part of a pytest plugin. `used` counts turnout's parts: a suite that passes without has shown nothing."""

    def __init__(self) -> None:
        self.bad: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.run = 0
        self.used: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.run += 1
        if report.skipped:
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped[report.nodeid] = why.removeprefix("Skipped: ")
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.bad[report.nodeid] = f"in {report.when}: {crash.message if crash else report.longrepr}".splitlines()[0]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.bad[report.nodeid] = str(report.longrepr)

    def pytest_sessionfinish(self) -> None:
        found = {"run": self.run, "bad": self.bad, "skipped": self.skipped, "used": self.used}
        Path(os.environ["TURNOUT_SUITE_RESULT"]).write_text(json.dumps(found))
