"""Django's own tests, through turnout's handlers in three modes, and beside Django's own (turnout_runner.py).

The source archives are fetched once into .cache/suites. Each run must end as `expected` says: a test that is not listed
passes, and a listed one still fails for the reason given. Runs go in parallel, two at a time, as soon as one is asked
for; what `make test` runs is what the three modes and the conditions of hooks are most likely to break.

In the fourth, "differential", each GET and HEAD of the tests' client is also answered by Django's two handlers and by
turnout's chains behind either: all equal, but for known_differences.py (docs/concepts/equality.md).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from suites.known_differences import gone, unknown

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = REPOSITORY / ".cache" / "suites"
LTS = "5.2.19"
NEWEST = "6.1.3"

# Name -> (labels, how many tests they are at least).
GROUPS = {
    "handlers": ("handlers asgi async middleware middleware_exceptions", 250),
    "requests": (
        "sessions_tests csrf_tests messages_tests signals test_client view_tests file_uploads i18n wsgi httpwrappers"
        " requests_tests",
        1600,
    ),
    "users": ("auth_tests", 800),
    "files": ("servers staticfiles_tests", 200),
    "cache": ("cache", 600),
    "sites": (
        "flatpages_tests redirects_tests sites_tests generic_views syndication_tests admin_docs test_client_regress"
        " urlpatterns_reverse logging_tests",
        500,
    ),
    "admin": ("admin_views", 470),
    "data": ("transactions backends transaction_hooks", 425),
    # Of "sites", for the differential mode of `make test`.
    "pages": ("flatpages_tests redirects_tests sites_tests generic_views.test_edit generic_views.test_detail", 100),
}
# Group -> how many requests are compared at least.
COMPARED = {"pages": 80, "sites": 400, "admin": 400}
# One request of so many may have an answer of Django's that is another each time.
UNREPEATABLE = 50
# What a run of a group in a mode must have gone through, or it has shown nothing.
PARTS = {
    ("handlers", "async"): {"async chain", "async client", "native asgi"},
    ("handlers", "sync"): {"sync chain", "async client", "native asgi", "native wsgi"},
    ("handlers", "hybrid"): {"sync chain", "async chain", "async client", "stepped asgi"},
    ("files", "async"): {"async chain", "live turnout-hop"},
    ("files", "sync"): {"sync chain", "live turnout-sync"},
    ("files", "hybrid"): {"sync chain", "live turnout-sync"},
    ("data", "async"): {"in turnout-hop"},
    ("data", "sync"): {"in a sync request"},
    ("data", "hybrid"): {"in turnout-hop"},
}
# These ask no handler: what they show is that caches mean the same beside ours.
NO_PARTS = ("cache",)
# These ask none either: all of them run in a view, for its connections.
INSIDE = ("data",)

IF_ROOT = "root may write where the test forbids it" if os.geteuid() == 0 else ""
# (group, mode or "") -> test -> why it cannot pass. Empty is how it should stay.
EXPECTED = {
    ("requests", ""): {
        "file_uploads.tests.DirectoryCreationTests.test_readonly_root": IF_ROOT,
        "i18n.test_compilation.PoFileTests.test_no_write_access": IF_ROOT,
    },
    # Django's own server closes where it cannot frame, and does not listen to who asks it to close.
    ("files", ""): {
        "servers.tests.LiveServerViews.test_closes_connection_without_content_length": "ours sends chunks and keeps it",
        "servers.tests.LiveServerViews.test_keep_alive_connection_clears_previous_request_data": "who asks gets it",
        "servers.tests.LiveServerViews.test_keep_alive_on_connection_with_content_length": "who asks gets it",
    },
    ("files", "async"): {
        "servers.tests.LiveServerViews.test_environ": "looks into request.environ, which an ASGIRequest has not",
    },
    ("requests", "sync"): {
        "wsgi.tests.WSGITest.test_file_wrapper": "files are read in pieces of 64 KiB on both tracks",
    },
}

# Django's own reasons to skip a test that are no business of ours: a server, package or program that is not here,
# SQLite, the Python, kinds of sessions. Any other is a fault: what is skipped shows nothing.
SKIPPED = re.compile(
    r"(Redis|PyLibMCCache|PyMemcacheCache) backend not configured|(bcrypt|argon2-cffi) not installed"
    r"|no docutils installed|scrypt not available|(xgettext|msgfmt) is mandatory"
    r"|Database (has|doesn't support) feature|This database backend does|the sqlite backend's close"
    r"|Culling isn't implemented|^CookieSession |^Cookie backend |async-only functionality"
    r"|^Fine-grained error locations|^No browsers specified|added in Python 3|are Python 3\.\d+\+ only"
    r"|^(Test only for )?(PostgreSQL|MySQL|Oracle)\b|^Psycopg specific|cannot be determined on SQLite$"
)


@dataclass(frozen=True)
class Run:
    """One process of Django's test runner."""

    group: str
    mode: str
    django: str = LTS

    def __str__(self) -> str:
        return f"{self.group}-{self.mode}-{self.django}"

    @property
    def expected(self) -> dict[str, str]:
        both = {**EXPECTED.get((self.group, ""), {}), **EXPECTED.get((self.group, self.mode), {})}
        return {test: why for test, why in both.items() if why}


MODES = ("async", "sync", "hybrid")
DIFFERENTIAL = "differential"
# Beside WSGIHandler's.
ANSWERS = ("asgi", "wsgi sync", "wsgi async", "asgi sync", "asgi async")
# Four minutes of two cores, the long ones first, so that the others fill the gaps. Forced through the async chain, a
# hook wrongly held to be harmless blocks the loop, which is an error.
FAST = [Run("requests", mode) for mode in MODES]
FAST += [Run("requests", "async", NEWEST), Run("users", "async"), Run("users", "sync")]
FAST += [Run("files", mode) for mode in MODES] + [Run("pages", DIFFERENTIAL)]
FAST += [Run("data", mode) for mode in MODES]
FAST += [Run("handlers", mode, django) for django in (LTS, NEWEST) for mode in MODES]
SLOW = [
    run
    for django in (LTS, NEWEST)
    for group in GROUPS
    for run in (Run(group, mode, django) for mode in (*MODES, DIFFERENTIAL))
    if run not in FAST and (group in COMPARED if run.mode == DIFFERENTIAL else group != "pages")
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", FAST, ids=str)
def test_djangos_suites_pass(run, runs):
    check(run, runs(run))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("run", SLOW, ids=str)
def test_all_of_djangos_suites_pass(run, runs):
    check(run, runs(run))


def check(run: Run, found: dict) -> None:
    """Nothing failed but what is expected to, and all of that did."""
    expected = run.expected
    assert {name: why for name, why in found["bad"].items() if name not in expected} == {}
    assert sorted(expected.keys() - found["bad"].keys()) == [], (
        "expected to fail, but passed: strike them from the list"
    )
    assert {name: why for name, why in found["skipped"].items() if not SKIPPED.search(why)} == {}
    # CPython 3.12.1 alone does not count a skipped test among those it ran (gh-106584, taken back in 3.12.2).
    uncounted = len(found["skipped"]) if sys.version_info[:3] == (3, 12, 1) else 0
    assert found["run"] + uncounted >= GROUPS[run.group][1]
    if run.mode == DIFFERENTIAL:
        check_compared(run, found["compared"])
    elif run.group not in NO_PARTS:
        parts = PARTS.get((run.group, run.mode), {"async chain" if run.mode == "async" else "sync chain"})
        assert found["used"].keys() >= parts


def check_compared(run: Run, compared: dict) -> None:
    """All answers were equal but for what is known, and there were enough."""
    print({name: value for name, value in compared.items() if name not in ("different", "unrepeatable")})
    assert unknown(run.group, run.django, compared["different"]) == []
    assert gone(run.group, run.django, compared["different"]) == [], "no difference any more: strike them from the list"
    requests = compared["requests"]
    assert requests >= COMPARED[run.group]
    assert {name: compared["answers"][name] for name in ANSWERS} == dict.fromkeys(ANSWERS, requests)
    changing = {line.rpartition(": ")[0].rpartition(": ")[0] for line in compared["unrepeatable"]}
    assert len(changing) * UNREPEATABLE <= requests, changing


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The result of a run; the first to ask starts all that were selected, in the order of the tests."""
    selected = [item.callspec.params["run"] for item in request.session.items if item.path == Path(__file__)]
    results: dict[Run, Future] = {}
    children: list[subprocess.Popen] = []
    # Together, so that two runs never unpack the same archive at once.
    for version in {run.django for run in selected}:
        source(version)
    with ThreadPoolExecutor(2) as pool:
        for run in selected:
            results[run] = pool.submit(outcome, run, tmp_path_factory.mktemp(str(run)), children)
        try:
            yield lambda run: results[run].result()
        finally:
            for future in results.values():
                future.cancel()
            for child in children:
                child.kill()


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


starting = threading.Lock()


def outcome(run: Run, folder: Path, children: list) -> dict:
    """How every test of a run ended."""
    with starting:
        extension = run.mode == DIFFERENTIAL or run.group in ("files", *INSIDE)
        python = sys.executable if run.django == LTS else newer_python(extension=extension)
    tree = CACHE / f"django-{run.django}"
    result = folder / "result.json"
    environment = {
        **os.environ,
        # The archive's Django, not the one of the environment, which may be another patch release.
        "PYTHONPATH": os.pathsep.join(
            map(str, (tree, REPOSITORY / "python", Path(__file__).parent, REPOSITORY / "tests"))
        ),
        "TURNOUT_SUITE_MODE": run.mode,
        "TURNOUT_SUITE_INSIDE": str(int(run.group in INSIDE)),
        "TURNOUT_SUITE_RESULT": str(result),
        # To write it would block the loop, which is watched.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Two runs must not share the files that tests make.
        "TMPDIR": str(folder),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [python, "runtests.py", "--parallel", "1", "--settings", "turnout_sqlite", *GROUPS[run.group][0].split()]
    log = folder / "log"
    with log.open("w") as output:
        child = subprocess.Popen(command, cwd=tree / "tests", env=environment, stdout=output, stderr=output)
        children.append(child)
        child.wait()
    assert result.exists(), log.read_text()[-8000:]
    return json.loads(result.read_text())


def newer_python(*, extension: bool) -> str:
    """An interpreter for Django 6 (3.12 or newer) in an environment of its own, and turnout's extension for it."""
    base = next((path for path in interpreters() if path), None)
    if base is None:
        pytest.skip("no Python 3.12 or newer here")
    home = CACHE / "venv-newest"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([base, "-m", "venv", str(home)], check=True)
        packages = ["asgiref", "sqlparse", "jinja2", "tblib"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    if extension:
        # As `make test-all` does for that Python; nothing is built twice.
        environment = {**os.environ, "PYTHON": base, "DJANGO": NEWEST.rpartition(".")[0]}
        subprocess.run([REPOSITORY / "scripts" / "build", "ci"], env=environment, check=True)
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
    return [path for path in found if path and starts(path)]


def starts(path: str) -> bool:
    """Whether it starts: pyenv's shims exist for versions that are not chosen."""
    return subprocess.run([path, "-c", "pass"], capture_output=True).returncode == 0
