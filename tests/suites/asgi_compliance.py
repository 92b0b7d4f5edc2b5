"""gunicorn's black-box tests of ASGI (MIT, from its source archive on PyPI), pointed at any server.

The archive's conftest starts servers in Docker; here it is told where one is. The application under test is the
archive's own (`apps.main_app:app`). What the tests and the application import is installed into `.cache/`, beside the
archive, so that the environment of everything else stays as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

from suites import gunicorn_corpus

SUITE = "tests/docker/asgi_compliance"
#: Of 2026-11; another version of these is another suite.
NEEDED = ["fastapi==0.165.0", "httpx[http2]==0.28.1", "pytest==9.2.0", "pytest-asyncio==1.5.0", "starlette==1.10.0"]
#: WebSocket, TLS and a proxy in front are not part of it.
SELECTION = "not websocket and not nginx and not proxy and not HTTPS and not Secure"
#: Takes the place of the fixture that starts the containers.
CONFTEST = '''
@pytest.fixture(scope="session")
def docker_services():
    """The server that is there already."""
    import os
    url = os.environ["TURNOUT_SUITE_URL"]
    return dict.fromkeys(["gunicorn_http", "gunicorn_https", "nginx_http", "nginx_https"], url)
'''
#: Otherwise pytest would take ours, which stands in a folder above.
SETTINGS = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


def folder() -> Path:
    """The suite, unpacked, with its conftest changed."""
    home = gunicorn_corpus.CACHE / "suites" / f"asgi-compliance-{gunicorn_corpus.VERSION}"
    if not home.exists():
        fresh = home.with_name(f"{home.name}.{os.getpid()}")
        fresh.mkdir(parents=True)
        with tarfile.open(gunicorn_corpus.archive()) as archive:
            for member in archive:
                inside = member.name.partition("/")[2].partition(f"{SUITE}/")[2]
                file = archive.extractfile(member) if inside.endswith(".py") else None
                if file:
                    path = fresh / inside
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.read())
        conftest = fresh / "conftest.py"
        conftest.write_text(conftest.read_text() + CONFTEST)
        fresh.joinpath("pytest.ini").write_text(SETTINGS)
        fresh.rename(home)
    return home


def packages() -> Path:
    """Where the packages are that the suite imports."""
    home = gunicorn_corpus.CACHE / "suites" / f"asgi-compliance-packages-{sys.version_info[0]}.{sys.version_info[1]}"
    if not home.exists():
        fresh = home.with_name(f"{home.name}.{os.getpid()}")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--target", str(fresh), *NEEDED], check=True)
        fresh.rename(home)
    return home


def environment() -> dict[str, str]:
    """For the server and for the tests: their packages stand before everything else."""
    return {**os.environ, "PYTHONPATH": str(packages())}


def run(url: str, report: Path) -> dict[str, str]:
    """How each test against the server at `url` ended: `class::test` to "passed", or what went wrong."""
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    command += ["-k", SELECTION, f"--junit-xml={report}", str(folder())]
    done = subprocess.run(
        command,
        cwd=folder(),
        env={**environment(), "TURNOUT_SUITE_URL": url},
        capture_output=True,
        text=True,
    )
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    return {_name(case): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"


def _outcome(case: ElementTree.Element) -> str:
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            return f"{kind}: {found.get('message', '')}"
    return "passed"
