"""Requirement 3: a child of a serving process disturbs nobody, whatever it does."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop, new_event_loop

from .conftest import PATIENCE, Client, in_thread

testing = _turnout._testing

# A process with threads forks here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_child(call: Callable[[], object]) -> int:
    """Fork, run `call` in the child, and return its pid; the child's exit status is 0 if `call` returned."""
    child = os.fork()
    if child == 0:
        status = 9
        try:
            asyncio._set_running_loop(None)
            call()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


async def exit_status(child: int) -> int:
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    return os.waitstatus_to_exitcode(status)


def child_closes(loop: TurnoutLoop) -> int:
    def close() -> None:
        loop._thread_id = None  # as if run_forever had been left
        loop.close()

    return in_child(close)


def child_runs_a_loop_of_its_own(_loop: TurnoutLoop) -> int:
    def own() -> None:
        loop = new_event_loop()
        server = testing.EchoServer(loop.reactor)
        assert loop.run_until_complete(asyncio.to_thread(lambda: Client(server.port).ask(b"x\n"))) == b"x\n"
        loop.close()

    return in_child(own)


def child_runs_the_stdlibs_loop(_loop: TurnoutLoop) -> int:
    return in_child(lambda: asyncio.run(asyncio.sleep(0.01)))


def child_goes_on_with_the_parents_loop(loop: TurnoutLoop) -> int:
    def go_on() -> None:
        loop._selector.select(0)
        assert loop.reactor.stats()["runtime"] is False
        server = testing.EchoServer(loop.reactor)
        answer: list[bytes] = []
        in_thread(lambda: answer.append(Client(server.port).ask(b"x\n")))
        while not answer:
            loop._selector.select(0.01)
        assert answer == [b"x\n"]

    return in_child(go_on)


def child_is_of_multiprocessing(_loop: TurnoutLoop) -> int:
    process = multiprocessing.get_context("fork").Process(target=sum, args=([1, 2],))
    process.start()
    assert process.pid is not None
    # Waited for by the test like the others.
    process._popen.returncode = 0  # type: ignore[attr-defined]
    return process.pid


@pytest.mark.parametrize(
    "start_child",
    [
        child_closes,
        child_runs_a_loop_of_its_own,
        child_runs_the_stdlibs_loop,
        child_goes_on_with_the_parents_loop,
        child_is_of_multiprocessing,
    ],
)
def test_a_fork_while_serving(
    loop: TurnoutLoop, connect: Callable[[int], Client], start_child: Callable[[TurnoutLoop], int]
) -> None:
    server = testing.EchoServer(loop.reactor, lambda line, reply: reply(line.upper()))
    left, right = socket.socketpair()
    left.setblocking(False)
    got: list[bytes] = []

    async def works(kept: Client) -> None:
        assert await asyncio.to_thread(kept.ask, b"kept\n") == b"KEPT\n"
        assert await asyncio.to_thread(lambda: connect(server.port).ask(b"new\n")) == b"NEW\n"
        count = len(got)
        right.send(b"x")
        while len(got) == count:
            await asyncio.sleep(0.001)
        called = asyncio.Event()
        await asyncio.to_thread(loop.call_soon_threadsafe, called.set)
        await called.wait()

    async def main() -> None:
        kept = await asyncio.to_thread(connect, server.port)
        loop.add_reader(left, lambda: got.append(left.recv(1)))
        await works(kept)
        child = start_child(loop)
        await works(kept)
        assert await exit_status(child) == 0
        await works(kept)
        loop.remove_reader(left)

    loop.run_until_complete(asyncio.wait_for(main(), 2 * PATIENCE))
    left.close()
    right.close()


def test_a_fork_in_another_thread_while_the_loop_sleeps(any_loop: TurnoutLoop) -> None:
    """The sleeping thread does not exist in the child: nothing it held may be waited for there."""

    def fork_and_wait() -> int:
        def child() -> None:
            any_loop._selector.select(0)
            any_loop._thread_id = None
            any_loop.close()

        return os.waitstatus_to_exitcode(os.waitpid(in_child(child), 0)[1])

    assert any_loop.run_until_complete(asyncio.to_thread(fork_and_wait)) == 0


def test_a_child_that_ends_as_python_does_waits_for_no_thread_of_its_parent() -> None:
    program = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
from turnout import _turnout
from turnout.loop import new_event_loop
loop = new_event_loop()
loop.reactor.start_runtime()
heart = _turnout._testing.Heartbeat(loop.reactor, 0.001)
loop.run_until_complete(asyncio.sleep(0.01))
child = os.fork()
if child == 0:
    sys.exit(0)  # through atexit and the interpreter's end
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(asyncio.sleep(0.01))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=2 * PATIENCE)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_child_sees_its_own_descriptors_and_deadlines(any_loop: TurnoutLoop) -> None:
    """The loop is not running: what a pre-fork program does."""
    left, right = socket.socketpair()
    left.setblocking(False)
    got: list[bytes] = []

    def read() -> None:
        got.append(left.recv(1))
        if len(got) == 3:
            any_loop.stop()

    any_loop.add_reader(left, read)

    def child() -> None:
        right.send(b"abc")
        any_loop.run_forever()
        assert got == [b"a", b"b", b"c"]
        assert any_loop.run_until_complete(asyncio.sleep(0.01, "slept")) == "slept"
        any_loop.remove_reader(left)
        any_loop.close()

    assert os.waitstatus_to_exitcode(os.waitpid(in_child(child), 0)[1]) == 0
    right.send(b"xyz")
    any_loop.run_forever()
    # The child read from the same socket: what it took is its own, what came later is ours.
    assert got == [b"x", b"y", b"z"]
    any_loop.remove_reader(left)
    left.close()
    right.close()
