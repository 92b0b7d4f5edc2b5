"""Runs a module of CPython's own asyncio tests on turnout's loop.

    python tests/reactor/cpython_suite.py [--plain] MODULE [TEST ...]

With the runtime forced on, or with `--plain` before the first Rust task. Prints what failed as JSON, with how many
tests really drove a reactor: many of CPython's use a mock in place of the selector and prove nothing about ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import importlib
import io
import json
import selectors
import sys
import unittest
from asyncio import unix_events
from typing import Any, ClassVar

from turnout.loop import ReactorSelector, TurnoutLoop

LIMIT = 280


def install(force_runtime: bool) -> None:
    """Make asyncio's default loop ours, which turnout itself never does."""

    class SuiteSelector(ReactorSelector):
        def __init__(self) -> None:
            super().__init__()
            if force_runtime:
                self.reactor.start_runtime()
            Result.reactors.append(self.reactor)

    stock = unix_events._UnixSelectorEventLoop

    class SuiteLoop(TurnoutLoop):
        def __new__(cls, selector: Any = None) -> Any:
            if selector is None or isinstance(selector, ReactorSelector):
                return super().__new__(cls)
            # SelectSelector, PollSelector and mocks: not about us.
            return stock(selector)

        def __init__(self, selector: Any = None) -> None:
            super().__init__(selector or SuiteSelector())

    selectors.DefaultSelector = selectors.EpollSelector = SuiteSelector  # type: ignore[misc,assignment]
    asyncio.SelectorEventLoop = unix_events.SelectorEventLoop = SuiteLoop  # type: ignore[misc,assignment]
    for name in ("EventLoop",):
        for module in (asyncio, unix_events):
            if hasattr(module, name):
                setattr(module, name, SuiteLoop)
    policy = getattr(unix_events, "_UnixDefaultEventLoopPolicy", None)
    if policy is not None:
        policy._loop_factory = SuiteLoop


class Result(unittest.TextTestResult):
    """Counts the tests that called `select` of a reactor."""

    reactors: ClassVar[list[Any]] = []
    ran: ClassVar[set[str]] = set()
    drove = 0

    def startTest(self, test: unittest.TestCase) -> None:
        self.ran.add(name_of(test))
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        type(self).drove += any(reactor.stats().get("selects", 1) for reactor in self.reactors)
        # Here and not at the next start: before 3.11 a test's loop is made before it is announced.
        self.reactors.clear()


def name_of(test: unittest.TestCase) -> str:
    """`module.Class.test`, wherever the suite lies."""
    return str(test.id()).split("test_asyncio.")[-1]


def run(name: str, tests: list[str], verbose: io.TextIOBase) -> dict[str, object]:
    """Run a module and tell what came of it."""
    module = importlib.import_module(name if "." in name else f"test.test_asyncio.{name}")
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(tests, module) if tests else loader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=verbose, resultclass=Result, verbosity=2).run(suite)
    return {
        "run": result.testsRun,
        "skipped": len(result.skipped),
        "drove": Result.drove,
        "failed": sorted({name_of(test) for test, _ in result.failures + result.errors}),
        "ran": sorted(Result.ran),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="leave the runtime off")
    parser.add_argument("module")
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    install(force_runtime=not arguments.plain)
    # Before the tests may replace it; what they print themselves is not ours to read.
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        found = run(arguments.module, arguments.tests, sys.stderr)  # type: ignore[arg-type]
    print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
