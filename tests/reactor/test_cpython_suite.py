"""Requirement 18: CPython's own asyncio tests pass on turnout's loop with the runtime forced on."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

RUNNER = Path(__file__).with_name("cpython_suite.py")

# Those that are about the loop, or run on it. Some use a mock in the place of the selector, everywhere or in part.
MODULES = (
    # The long ones first, so that the others fill the gaps.
    "test_tasks",
    "test_events",
    "test_subprocess",
    "test_ssl",
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_eager_task_factory",
    "test_futures",
    "test_futures2",
    "test_locks",
    "test_pep492",
    "test_queues",
    "test_runners",
    "test_selector_events",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_sslproto",
    "test_staggered",
    "test_streams",
    "test_taskgroups",
    "test_threads",
    "test_timeouts",
    "test_transports",
    "test_unix_events",
    "test_waitfor",
    # Not of asyncio, but run on it.
    "test.test_asyncgen",
    "test.test_contextlib_async",
    "test.test_unittest.test_async_case" if sys.version_info >= (3, 12) else "unittest.test.test_async_case",
    "test.test_unittest.testmock.testasync" if sys.version_info >= (3, 12) else "unittest.test.testmock.testasync",
)
WITHOUT_A_RUNTIME = (
    "test_events",
    "test_server",
    "test_sock_lowlevel",
    "test_streams",
    "test_subprocess",
    "test_unix_events",
)

# So many tests must have driven a reactor, so that mocks cannot pass for evidence.
DROVE = 730 if sys.version_info < (3, 11) else 800

# How many modules run at a time: they wait more than they compute.
AT_A_TIME = 3

# What may fail, by test id, with the reason.
EXPECTED: dict[str, str] = {}

pytestmark = pytest.mark.timeout(500)


def here(module: str) -> bool:
    """Whether this Python comes with it: not every distribution has the tests."""
    try:
        return importlib.util.find_spec(module if "." in module else f"test.test_asyncio.{module}") is not None
    except ModuleNotFoundError:
        return False


def run(module: str, *options: str) -> dict[str, Any]:
    # -X dev and our own warning filters stay out: this is CPython's suite under CPython's conditions.
    command = [sys.executable, str(RUNNER), *options, module]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=380)
    try:
        return json.loads(ran.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"ended": False, "said": f"{ran.stdout[-2000:]}\n{ran.stderr[-8000:]}"}


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Future[dict[str, Any]]]]:
    """All that was selected here, begun at once: (module, option) -> what came of it."""
    wanted: dict[tuple[str, str], None] = {}
    for item in request.session.items:
        if item.path == request.path and (
            module := item.callspec.params.get("module") if hasattr(item, "callspec") else None
        ):
            wanted[module, item.callspec.params.get("option", "")] = None
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            (module, option): pool.submit(run, module, *filter(None, [option]))
            for module, option in wanted
            if here(module)
        }


def check(suite: dict[tuple[str, str], Future[dict[str, Any]]], module: str, option: str) -> None:
    if (module, option) not in suite:
        pytest.skip(f"this Python comes without {module}")
    found = suite[module, option].result()
    assert found.get("ended", True), found["said"]
    assert found["run"] > 0
    expected = {name for name in EXPECTED if name in found["ran"]}
    assert sorted(set(found["failed"]) - expected) == [], found
    assert sorted(expected - set(found["failed"])) == [], "expected to fail, but passed: strike them from the list"


@pytest.mark.parametrize("option", [""], ids=["runtime"])
@pytest.mark.parametrize("module", MODULES)
def test_with_the_runtime(suite, module: str, option: str) -> None:
    check(suite, module, option)


def test_enough_of_them_drove_the_reactor(suite, request: pytest.FixtureRequest) -> None:
    found = [suite[module, ""].result() for module in MODULES if (module, "") in suite]
    if not all(here(module) == ((module, "") in suite) for module in MODULES):
        pytest.skip("only some of the modules were selected")
    if not found:
        pytest.skip("this Python comes without its tests")
    assert sum(result["drove"] for result in found) >= DROVE


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--plain"], ids=["plain"])
@pytest.mark.parametrize("module", WITHOUT_A_RUNTIME)
def test_without_a_runtime(suite, module: str, option: str) -> None:
    check(suite, module, option)
