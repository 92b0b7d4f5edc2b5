"""Requirement 18: CPython's own asyncio tests pass on turnout's loop with the runtime forced on."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("cpython_suite.py")

# How many of a module's tests must have driven a reactor, so that mocks cannot pass for evidence. Counted on 3.10, the
# other releases have more tests; those without a number use a mock everywhere and are run for the loop's sake.
FAST = {"test_server": 2, "test_sock_lowlevel": 10, "test_streams": 60, "test_subprocess": 80, "test_unix_events": 20}
SLOW = {
    "test_base_events": 50,
    "test_buffered_proto": 1,
    "test_events": 70,
    "test_futures": 0,
    "test_futures2": 2,
    "test_locks": 20,
    "test_pep492": 0,
    "test_queues": 30,
    "test_runners": 0,
    "test_selector_events": 0,
    "test_sendfile": 15,
    "test_ssl": 15,
    "test_sslproto": 10,
    "test_taskgroups": 25,
    "test_tasks": 150,
    "test_threads": 5,
    "test_timeouts": 20,
    "test_transports": 0,
    "test_waitfor": 5,
}

# What may fail, by test id, with the reason.
EXPECTED: dict[str, str] = {}

pytestmark = pytest.mark.timeout(400)


def run(module: str, *options: str) -> dict[str, object]:
    spec = importlib.util.find_spec("test.test_asyncio") if importlib.util.find_spec("test") else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not any((Path(folder) / f"{module}.py").exists() for folder in folders):
        pytest.skip(f"this Python comes without its test.test_asyncio.{module}")
    # -X dev and our own warning filters stay out: this is CPython's suite under CPython's conditions.
    command = [sys.executable, str(RUNNER), *options, module]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=380)
    try:
        return json.loads(ran.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        pytest.fail(f"the suite did not end:\n{ran.stdout[-2000:]}\n{ran.stderr[-8000:]}")


def check(module: str, drove: int, *options: str) -> None:
    found = run(module, *options)
    unexpected = [name for name in found["failed"] if name not in EXPECTED]
    assert unexpected == [], found
    assert found["drove"] >= drove, found


@pytest.mark.parametrize(("module", "drove"), FAST.items())
def test_with_the_runtime(module: str, drove: int) -> None:
    check(module, drove)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "drove"), SLOW.items())
def test_with_the_runtime_slow(module: str, drove: int) -> None:
    check(module, drove)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "drove"), FAST.items())
def test_without_a_runtime(module: str, drove: int) -> None:
    check(module, drove, "--plain")
