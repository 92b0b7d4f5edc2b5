"""Django's own tests of its handlers, through turnout's.

The source archive is fetched once into .cache/suites. Each mode (turnout_runner.py) must end as EXPECTED says: a test
that is not listed passes, and a listed one still fails for the reason given.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = REPOSITORY / ".cache" / "suites"
LABELS = ["handlers", "asgi", "async", "middleware", "middleware_exceptions"]
MODES = {
    "async": {"async chain", "async client", "native asgi"},
    "sync": {"sync chain", "async client", "native asgi", "native wsgi"},
    "hybrid": {"sync chain", "async chain", "async client", "stepped asgi"},
}
LTS = "5.2.19"
NEWEST = "6.1.3"

# (Django, mode) -> test -> why it cannot pass. Empty is how it should stay.
EXPECTED: dict[tuple[str, str], dict[str, str]] = {}


def source(version: str) -> Path:
    """Django's source tree with its tests."""
    tree = CACHE / f"django-{version}"
    if not tree.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        archive = CACHE / f"django-{version}.tar.gz"
        if not archive.exists():
            fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            command = [*fetch, "--ignore-requires-python", f"Django=={version}", "--dest", str(CACHE)]
            subprocess.run(command, check=True)
        with tarfile.open(archive) as packed:
            packed.extractall(CACHE, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return tree


def run(python: str, version: str, mode: str, folder: Path, labels: list[str]) -> dict:
    """How every test of `labels` ended."""
    tree = source(version)
    result = folder / "result.json"
    environment = {
        **os.environ,
        # The archive's Django, not the one of the environment, which may be another patch release.
        "PYTHONPATH": os.pathsep.join([str(tree), str(REPOSITORY / "python"), str(Path(__file__).parent)]),
        "TURNOUT_SUITE_MODE": mode,
        "TURNOUT_SUITE_RESULT": str(result),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [python, "runtests.py", "--parallel", "1", "--settings", "turnout_sqlite", *labels]
    done = subprocess.run(command, cwd=tree / "tests", env=environment, capture_output=True, text=True)
    assert result.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(result.read_text())


def check(found: dict, version: str, mode: str) -> None:
    """Nothing failed but what EXPECTED names, and all of that did."""
    expected = EXPECTED.get((version, mode), {})
    assert {name: why for name, why in found["bad"].items() if name not in expected} == {}
    assert sorted(expected.keys() - found["bad"].keys()) == [], (
        "expected to fail, but passed: strike them from the list"
    )
    assert found["run"] > 250
    assert found["used"].keys() >= MODES[mode]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(MODES))
def test_djangos_lts_suites_pass(mode, tmp_path):
    check(run(sys.executable, LTS, mode, tmp_path, LABELS), LTS, mode)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", list(MODES))
def test_the_newest_djangos_suites_pass(mode, tmp_path):
    check(run(newer_python(), NEWEST, mode, tmp_path, LABELS), NEWEST, mode)


# What is served through self.client in these, each request forced through the async chain: a hook that is wrongly held
# to be harmless on the loop raises SynchronousOnlyOperation here.
WIDE = {
    "middleware and sessions": ["csrf_tests", "sessions_tests", "messages_tests", "httpwrappers", "wsgi"],
    "clients and views": ["test_client", "test_client_regress", "view_tests", "urlpatterns_reverse", "logging_tests"],
    "sites and pages": ["flatpages_tests", "redirects_tests", "sites_tests", "generic_views", "syndication_tests"],
    "users": ["auth_tests"],
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("labels", WIDE.values(), ids=[name.replace(" ", "-") for name in WIDE])
def test_what_djangos_tests_serve_passes_through_the_async_chain(labels, tmp_path):
    found = run(sys.executable, LTS, "async", tmp_path, labels)
    assert found["bad"] == {}
    assert found["used"]["async chain"] > 100


def newer_python() -> str:
    """An interpreter for Django 6 (3.12 or newer) in an environment of its own."""
    base = next((path for path in interpreters() if path), None)
    if base is None:
        pytest.skip("no Python 3.12 or newer here")
    home = CACHE / "venv-newest"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([base, "-m", "venv", str(home)], check=True)
        packages = ["asgiref", "sqlparse", "jinja2", "tblib"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


def interpreters() -> list[str | None]:
    """This one, those on PATH, and pyenv's, newest first."""
    found = [sys.executable if sys.version_info >= (3, 12) else None]
    names = [f"python3.{minor}" for minor in (14, 13, 12)]
    found += [shutil.which(name) for name in names]
    pyenv = shutil.which("pyenv")
    if pyenv:
        asked = subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip()
        for minor in (14, 13, 12):
            found += sorted(map(str, Path(asked, "versions").glob(f"3.{minor}.*/bin/python")), reverse=True)
    return [path for path in found if path and runs(path)]


def runs(path: str) -> bool:
    """Whether it starts: pyenv's shims exist for versions that are not chosen."""
    return subprocess.run([path, "-c", "pass"], capture_output=True).returncode == 0
