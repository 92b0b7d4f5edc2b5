"""What the figures come from: processor, kernel, interpreter, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

PACKAGES = (
    "Django",
    "asgiref",
    "granian",
    "uvicorn",
    "uvloop",
    "gunicorn",
    "fastpysgi",
    "bjoern",
    "aiohttp",
    "requests",
)


def describe() -> dict[str, object]:
    """The machine and the versions, for the head of a report."""
    facts: dict[str, object] = {
        "CPU": f"{_processor()} ({os.cpu_count()} cores)",
        "Linux": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "turnout": _commit(),
    }
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The state of the checkout that was built; a star where files differ from the commit."""
    here = Path(__file__).resolve().parent
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty=*"], cwd=here, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"
