"""Requirements 5, 7 and 9: when there is a runtime, which threads may do what, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop, new_event_loop

from .conftest import PATIENCE, Client, eventually, in_thread

testing = _turnout._testing


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_there_is_no_runtime_before_the_first_rust_task() -> None:
    loop = new_event_loop()

    async def ordinary() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        await asyncio.to_thread(int)

    loop.run_until_complete(ordinary())
    assert loop.reactor.stats()["runtime"] is False
    testing.Probe(loop.reactor).tick(1.0)
    loop.run_until_complete(asyncio.sleep(0))
    assert loop.reactor.stats()["runtime"] is True
    loop.close()


def test_a_zero_timeout_keeps_the_gil(any_loop: TurnoutLoop) -> None:
    async def main() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    any_loop.run_until_complete(asyncio.sleep(0))
    before = any_loop.reactor.stats()["waits"]
    any_loop.run_until_complete(main())
    assert any_loop.reactor.stats()["waits"] == before


def test_no_policy_is_set() -> None:
    async def kind() -> type:
        return type(asyncio.get_running_loop())

    loop = new_event_loop()
    assert loop.run_until_complete(kind()) is TurnoutLoop
    loop.close()
    kinds: list[type] = []
    thread = in_thread(lambda: kinds.append(asyncio.run(kind())))
    thread.join(PATIENCE)
    assert kinds == [asyncio.SelectorEventLoop]


def test_a_loop_may_wander_between_threads_and_be_closed_in_another(connect: Callable[[int], Client]) -> None:
    loop = new_event_loop()
    server = testing.EchoServer(loop.reactor, lambda line, reply: reply(line.upper()))

    def ask() -> bytes:
        return connect(server.port).ask(b"x\n")

    assert loop.run_until_complete(asyncio.to_thread(ask)) == b"X\n"
    thread = in_thread(loop.run_forever)
    assert ask() == b"X\n"
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    assert loop.run_until_complete(asyncio.to_thread(ask)) == b"X\n"
    thread = in_thread(loop.close)
    thread.join(PATIENCE)
    assert loop.is_closed()
    with pytest.raises(ConnectionRefusedError):
        ask()


def test_a_second_thread_in_select_is_refused(any_loop: TurnoutLoop) -> None:
    selector = any_loop._selector
    first = in_thread(lambda: selector.select(None))

    def refused() -> bool:
        try:
            selector.select(0)
        except RuntimeError as error:
            return "select()" in str(error)
        return False

    eventually(refused)
    with pytest.raises(RuntimeError):
        any_loop.reactor.close()
    any_loop.reactor.poke()
    first.join(PATIENCE)
    assert selector.select(0) == []


def test_a_closed_reactor_says_so() -> None:
    loop = new_event_loop()
    selector = loop._selector
    loop.close()
    loop.close()
    selector.close()
    assert selector.fileno() == -1
    with pytest.raises(ValueError, match="closed"):
        selector.select(0)
    with pytest.raises(RuntimeError):
        loop.run_forever()
    loop.reactor.poke()


def test_a_hundred_loops_leave_nothing_behind() -> None:
    def run_one() -> int:
        loop = new_event_loop()
        server = testing.EchoServer(loop.reactor)

        async def main() -> None:
            client = await asyncio.to_thread(Client, server.port)
            assert await asyncio.to_thread(client.ask, b"x\n") == b"x\n"
            client.close()
            await loop.shutdown_default_executor()

        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
        return server.port

    run_one()
    gc.collect()
    before = descriptors()
    for _ in range(100):
        port = run_one()
        with pytest.raises(ConnectionRefusedError):
            Client(port)
    gc.collect()
    assert descriptors() == before


def test_loops_in_many_threads_at_once() -> None:
    answers: list[bytes] = []
    barrier = threading.Barrier(6)
    ports = [0] * 6

    def run(number: int) -> None:
        loop = new_event_loop()

        async def main() -> None:
            server = testing.EchoServer(loop.reactor, lambda line, reply: reply(line))
            ports[number] = server.port
            await asyncio.to_thread(barrier.wait, PATIENCE)
            client = await asyncio.to_thread(Client, ports[(number + 1) % 6])
            for _ in range(20):
                answers.append(await asyncio.to_thread(client.ask, b"x\n"))
            await asyncio.to_thread(barrier.wait, PATIENCE)
            client.close()
            await loop.shutdown_default_executor()

        loop.run_until_complete(main())
        loop.close()

    threads = [in_thread(lambda number=number: run(number)) for number in range(6)]
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert answers == [b"x\n"] * 120


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
def test_a_loop_dropped_without_close_is_collected() -> None:
    loop = new_event_loop()
    server = testing.EchoServer(loop.reactor)
    loop.run_until_complete(asyncio.sleep(0))
    # Calls that wait in it and hold it.
    loop.call_soon(print, loop)
    loop.call_later(1000, print, loop)
    gone = weakref.ref(loop)
    port = server.port
    # asyncio's own sockets would warn as well; they are not what this is about.
    os.close(loop._ssock.detach())
    os.close(loop._csock.detach())
    # BaseEventLoop.__del__ closes what it can.
    loop._close_self_pipe = lambda: None  # type: ignore[method-assign]
    del loop, server
    gc.collect()
    assert gone() is None
    with pytest.raises(ConnectionRefusedError):
        Client(port)


@pytest.mark.parametrize(
    "ending",
    [
        "pass",
        "beat.stop(); loop.close()",
        "threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start(); loop.run_forever()",
        "threading.Thread(target=loop.run_forever, daemon=True).start(); time.sleep(0.05)",
        "raise SystemExit(0)",
        "sys.modules['kept'] = (loop, probe, beat)",
    ],
)
def test_the_interpreter_ends_cleanly(ending: str) -> None:
    """With tasks, the standby and the watchdog alive, as a program leaves them that forgets everything."""
    program = textwrap.dedent(
        f"""
        import asyncio, os, signal, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        from turnout import _turnout
        from turnout.loop import new_event_loop
        loop = new_event_loop()
        probe = _turnout._testing.Probe(loop.reactor)
        probe.tick(0.0005)
        beat = _turnout._testing.Heartbeat(loop.reactor, 0.001)
        loop.run_until_complete(asyncio.sleep(0.02))
        time.sleep(0.01)
        probe.burst(10, print)
        {ending}
        """
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=3 * PATIENCE)
    # Python ends itself by the signal where a KeyboardInterrupt reached the top.
    assert run.returncode == (-2 if "SIGINT" in ending else 0), run.stderr
    assert "panic" not in run.stderr
    assert "Fatal" not in run.stderr
