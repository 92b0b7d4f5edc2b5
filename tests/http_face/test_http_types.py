"""Whoever uses turnout.http under a type checker is told of mistakes, and of nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USAGE = Path(__file__).parent / "types/usage.py"


def marked() -> list[int]:
    """The lines that a checker has to find fault with."""
    return [number for number, line in enumerate(USAGE.read_text().splitlines(), 1) if line.endswith("# wrong")]


def test_mypy_strict_finds_the_mistakes_and_no_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", "--no-error-summary"]
    done = subprocess.run([*command, str(USAGE)], cwd=ROOT / "python", capture_output=True, text=True, timeout=55)
    found = re.findall(r"^(.*?):(\d+): error: ", done.stdout, flags=re.MULTILINE)
    assert {name for name, _ in found} == {str(USAGE)}, done.stdout + done.stderr
    assert sorted({int(line) for _, line in found}) == marked(), done.stdout


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(300)
def test_pyright_finds_the_mistakes_and_no_others_and_the_package_itself_is_clean(tmp_path: Path) -> None:
    settings = {
        "include": [str(ROOT / "python/turnout/http"), str(ROOT / "python/turnout/_http.pyi"), str(USAGE)],
        "typeCheckingMode": "standard",
        "extraPaths": [str(ROOT / "python")],
        # An await that is missing is one of the mistakes.
        "reportAttributeAccessIssue": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "-p",
        str(tmp_path),
        "--outputjson",
        "--pythonpath",
        sys.executable,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    found = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    assert [one for one in found if one["file"] != str(USAGE)] == []
    assert sorted({one["range"]["start"]["line"] + 1 for one in found}) == marked(), found
