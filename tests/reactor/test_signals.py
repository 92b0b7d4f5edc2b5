"""Requirement 1: signals act on an idle loop, in every way Python knows them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from turnout.loop import TurnoutLoop

from .conftest import PATIENCE


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    usr1, usr2 = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR1, usr1)
    signal.signal(signal.SIGUSR2, usr2)
    signal.set_wakeup_fd(-1)


def send_later(number: int) -> None:
    # Long enough for the loop to be parked, whatever the machine does: parked is also what it is afterwards.
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()


def wakeup_fd() -> int:
    current = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(current)
    return current


def test_a_handler_of_the_loop_runs(any_loop: TurnoutLoop) -> None:
    async def main() -> None:
        happened = asyncio.Event()
        any_loop.add_signal_handler(signal.SIGUSR1, happened.set)
        send_later(signal.SIGUSR1)
        await asyncio.wait_for(happened.wait(), PATIENCE)
        any_loop.remove_signal_handler(signal.SIGUSR1)

    any_loop.run_until_complete(main())


def test_a_plain_handler_runs_while_the_loop_is_idle(any_loop: TurnoutLoop) -> None:
    happened: list[int] = []

    def handler(number: int, _frame: object) -> None:
        happened.append(number)
        any_loop.stop()

    signal.signal(signal.SIGUSR2, handler)
    send_later(signal.SIGUSR2)
    # Nothing else could end this: no timer is set.
    any_loop.run_forever()
    assert happened == [signal.SIGUSR2]


def test_ctrl_c_ends_an_idle_loop(any_loop: TurnoutLoop) -> None:
    send_later(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        any_loop.run_forever()


def test_ctrl_c_ends_an_idle_loop_after_the_last_handler_was_removed(any_loop: TurnoutLoop) -> None:
    def add_and_remove() -> None:
        any_loop.add_signal_handler(signal.SIGUSR1, print)
        any_loop.remove_signal_handler(signal.SIGUSR1)
        send_later(signal.SIGINT)

    any_loop.call_soon(add_and_remove)
    with pytest.raises(KeyboardInterrupt):
        any_loop.run_forever()


def test_ctrl_c_ends_an_idle_loop_after_a_handler_was_refused(any_loop: TurnoutLoop) -> None:
    def refused() -> None:
        with pytest.raises(RuntimeError):
            any_loop.add_signal_handler(signal.SIGKILL, print)
        send_later(signal.SIGINT)

    any_loop.call_soon(refused)
    with pytest.raises(KeyboardInterrupt):
        any_loop.run_forever()


def test_the_wakeup_descriptor_is_restored(any_loop: TurnoutLoop) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    try:
        during = any_loop.run_until_complete(_wakeup_fd_inside())
        assert during not in (-1, write)
        assert wakeup_fd() == write
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)


async def _wakeup_fd_inside() -> int:
    return wakeup_fd()


def test_handlers_that_stay_keep_their_descriptor(any_loop: TurnoutLoop) -> None:
    async def add() -> None:
        any_loop.add_signal_handler(signal.SIGUSR1, print)

    any_loop.run_until_complete(add())
    assert wakeup_fd() != -1

    async def remove() -> None:
        any_loop.remove_signal_handler(signal.SIGUSR1)

    any_loop.run_until_complete(remove())
    assert wakeup_fd() == -1


def test_no_signal_is_lost_under_traffic(loop: TurnoutLoop) -> None:
    async def main() -> int:
        count = 0

        def handler() -> None:
            nonlocal count
            count += 1

        loop.add_signal_handler(signal.SIGUSR1, handler)
        for expected in range(1, 301):
            os.kill(os.getpid(), signal.SIGUSR1)
            while count < expected:
                await asyncio.sleep(0)
        loop.remove_signal_handler(signal.SIGUSR1)
        return count

    assert loop.run_until_complete(asyncio.wait_for(main(), PATIENCE)) == 300
