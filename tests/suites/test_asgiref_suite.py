"""asgiref's own tests on turnout's loop, its thread-sensitive contexts served by turnout's hop threads.

The source archive is fetched once into .cache/suites. Must end as EXPECTED says, both ways.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = REPOSITORY / ".cache" / "suites"
VERSION = "3.13.0"

# What fails, by test id, with the reason.
EXPECTED: dict[str, str] = {}


def source() -> Path:
    """asgiref's source tree with its tests."""
    tree = CACHE / f"asgiref-{VERSION}"
    if not tree.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*fetch, f"asgiref=={VERSION}", "--dest", str(CACHE)], check=True)
        with tarfile.open(CACHE / f"asgiref-{VERSION}.tar.gz") as packed:
            packed.extractall(CACHE, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return tree


def python() -> str:
    """This interpreter in an environment of its own: pytest-asyncio has no business in ours."""
    home = CACHE / f"venv-asgiref-{sys.version_info.major}.{sys.version_info.minor}"
    program = home / "bin" / "python"
    done = home / "complete"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        packages = ["packaging", "pytest~=9.0", "pytest-asyncio~=1.3"]
        subprocess.run([str(program), "-m", "pip", "install", "--quiet", *packages], check=True)
        done.touch()
    return str(program)


@pytest.mark.skipif(sys.version_info < (3, 11), reason=f"asgiref {VERSION} needs 3.11")
@pytest.mark.timeout(200)
def test_asgirefs_own_tests_pass(tmp_path) -> None:
    tree, result = source(), tmp_path / "result.json"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tree), str(REPOSITORY / "python"), str(Path(__file__).parent)]),
        "TURNOUT_SUITE_RESULT": str(result),
    }
    command = [python(), "-m", "pytest", "-p", "turnout_asgiref", "--quiet", "tests"]
    ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert result.exists(), ran.stdout[-4000:] + ran.stderr[-4000:]
    found = json.loads(result.read_text())
    failed = {name for name, outcome in found["ended"].items() if outcome.startswith("failed")}
    assert sorted(failed - EXPECTED.keys()) == [], ran.stdout[-8000:]
    assert sorted(EXPECTED.keys() - failed) == [], "expected to fail, but passed: strike them from the list"
    assert len(found["ended"]) > 110
    assert found["used"]["loops"] > 80
    assert found["used"]["hops"] > 10
