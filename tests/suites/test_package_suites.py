"""REST framework's and whitenoise's own tests, through turnout in three modes (turnout_rest_framework.py, _whitenoise).

Each run must end as EXPECTED says, both ways. `make test` runs what asks a handler, `make test-all` all of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from suites.archives import environment, source

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LTS = "5.2.19"
MODES = ("async", "sync", "hybrid")

# Those of REST framework's test modules that have a client.
CLIENTS = (
    "authentication browsable_api test_atomic_requests.py test_htmlrenderer.py test_middleware.py test_negotiation.py"
    " test_pagination.py test_parsers.py test_permissions.py test_renderers.py test_request.py test_requests_client.py"
    " test_response.py test_routers.py test_testing.py test_throttling.py test_viewsets.py"
)

# Suite -> test -> why it fails.
EXPECTED = {
    "whitenoise": {"tests/test_compress.py::test_compress": "the file it compresses is not in the archive"},
    "djangorestframework": {},
}
# The only reasons to skip a test: what is not here, or what the suite itself leaves out.
SKIPPED = re.compile(
    r"PostgreSQL|postgres_fields|psycopg is not installed|has models.JSONField|^Skipped$|coreapi|coreschema"
    r"|django-filter not installed|Guardian|guardian"
)


@dataclass(frozen=True)
class Run:
    """One process of pytest with a suite."""

    suite: str
    version: str
    mode: str
    tests: str
    at_least: int

    def __str__(self) -> str:
        return f"{self.suite}-{self.mode}"

    @property
    def parts(self) -> set[str]:
        """What of turnout it must have gone through, or it has shown nothing."""
        if self.suite == "whitenoise":
            return {"async": {"async chain"}, "sync": {"sync chain"}, "hybrid": {"stepped", "sync chain"}}[self.mode]
        return {"async chain" if self.mode == "async" else "sync chain"}

    @property
    def expected(self) -> set[str]:
        names = EXPECTED[self.suite].keys()
        return {name for name in names if self.tests == "." or any(part in name for part in self.tests.split())}


FAST = [Run("djangorestframework", "3.18.3", mode, CLIENTS, 500) for mode in MODES]
FAST += [Run("whitenoise", "6.12.0", mode, "test_django_whitenoise.py", 20) for mode in ("async", "hybrid")]
FAST += [Run("whitenoise", "6.12.0", "sync", ".", 120)]
SLOW = [Run("djangorestframework", "3.18.3", mode, ".", 1600) for mode in MODES]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", FAST, ids=str)
def test_a_packages_own_tests_pass(run, tmp_path):
    check(run, outcome(run, tmp_path))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", SLOW, ids=str)
def test_all_of_a_packages_own_tests_pass(run, tmp_path):
    check(run, outcome(run, tmp_path))


def check(run: Run, found: dict) -> None:
    """Nothing failed but what is expected to, and all of that did."""
    assert {name: why for name, why in found["bad"].items() if name not in run.expected} == {}
    assert sorted(run.expected - found["bad"].keys()) == [], "expected to fail, but passed: strike them from the list"
    assert {name: why for name, why in found["skipped"].items() if not SKIPPED.search(why)} == {}
    assert found["run"] >= run.at_least
    assert found["used"].keys() >= run.parts


def outcome(run: Run, folder: Path) -> dict:
    """How every test of a run ended."""
    tree, result = source(run.suite, run.version), folder / "result.json"
    plugin, python = "turnout_whitenoise", sys.executable
    if run.suite == "djangorestframework":
        plugin = "turnout_rest_framework"
        packages = ["pytest~=9.0", "pytest-django~=4.12", "dj-database-url~=3.0", f"Django=={LTS}"]
        packages += ["django-guardian>=2.4,<3.6", "inflection", "markdown", "pygments", "pyyaml", "requests"]
        python = environment(run.suite, [*packages, "uritemplate"])
    paths = [REPOSITORY / "tests" / "suites", REPOSITORY / "tests", REPOSITORY / "python"]
    surroundings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TURNOUT_SUITE_MODE": run.mode,
        "TURNOUT_SUITE_RESULT": str(result),
        "TMPDIR": str(folder),
    }
    tests = [f"tests/{name}" for name in run.tests.split()]
    command = [python, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", "--quiet", *tests]
    ran = subprocess.run(command, cwd=tree, env=surroundings, capture_output=True, text=True)
    assert result.exists(), ran.stdout[-4000:] + ran.stderr[-4000:]
    return json.loads(result.read_text())
