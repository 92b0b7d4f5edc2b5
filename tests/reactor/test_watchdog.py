"""The heartbeat of a worker: beats while anybody can have the GIL, and says where a step of the loop is stuck."""

from __future__ import annotations

import asyncio
import ctypes
import time

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop

from .conftest import PATIENCE, eventually

testing = _turnout._testing
EVERY = 0.01


@pytest.fixture
def heart(loop: TurnoutLoop):
    heart = testing.Heartbeat(loop.reactor, EVERY)
    yield heart
    heart.stop()


def beats_on(heart) -> None:
    before = heart.beats
    eventually(lambda: heart.beats > before + 3)


def test_it_beats_while_the_loop_is_idle(loop: TurnoutLoop, heart) -> None:
    loop.run_until_complete(asyncio.to_thread(beats_on, heart))


def test_it_beats_while_the_loop_works(loop: TurnoutLoop, heart) -> None:
    async def main() -> None:
        before = heart.beats
        while heart.beats < before + 3:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))


def test_it_beats_while_a_step_computes_or_blocks(loop: TurnoutLoop, heart) -> None:
    async def main() -> None:
        before = heart.beats
        while heart.beats < before + 3:
            sum(range(1000))
        beats_on(heart)

    loop.run_until_complete(main())


def test_it_stands_still_while_c_code_keeps_the_gil(loop: TurnoutLoop, heart) -> None:
    # A call through PyDLL keeps the GIL.
    usleep = ctypes.PyDLL(None).usleep

    async def main() -> int:
        await asyncio.to_thread(beats_on, heart)
        before = heart.beats
        usleep(300_000)
        return heart.beats - before

    # One may have been under way at the start, one comes as soon as the call returns.
    assert loop.run_until_complete(main()) <= 2
    loop.run_until_complete(asyncio.to_thread(beats_on, heart))


def test_it_says_once_where_a_long_step_is_stuck(loop: TurnoutLoop, capfd) -> None:
    heart = testing.Heartbeat(loop.reactor, EVERY)

    def a_step_that_takes_long() -> None:
        time.sleep(0.3)

    async def main() -> None:
        a_step_that_takes_long()
        await asyncio.sleep(0)
        a_step_that_takes_long()

    loop.run_until_complete(main())
    heart.stop()
    lines = [line for line in capfd.readouterr().err.splitlines() if "one step" in line]
    assert len(lines) == 1
    assert f" {__file__}:" in lines[0]
    assert " a_step_that_takes_long <" in lines[0]


def test_it_does_not_report_a_loop_that_waits(any_loop: TurnoutLoop, capfd) -> None:
    heart = testing.Heartbeat(any_loop.reactor, EVERY)
    any_loop.run_until_complete(asyncio.to_thread(time.sleep, 0.2))
    heart.stop()
    assert "one step" not in capfd.readouterr().err


def test_it_does_not_report_a_loop_that_does_not_run(loop: TurnoutLoop, heart, capfd) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    beats_on(heart)
    time.sleep(0.1)
    beats_on(heart)
    assert "one step" not in capfd.readouterr().err


def test_it_ends_when_told(loop: TurnoutLoop) -> None:
    heart = testing.Heartbeat(loop.reactor, EVERY)
    beats_on(heart)
    heart.stop()
    heart.stop()
    beats = heart.beats
    time.sleep(10 * EVERY)
    assert heart.beats == beats


def test_the_interpreters_state_has_an_address() -> None:
    found = testing.py_runtime_range()
    if found is None:
        pytest.skip("this interpreter does not name _PyRuntime")
    start, end = found
    assert start == ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    assert end - start > 100
