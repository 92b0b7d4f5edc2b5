"""Requirements 10 and 11: what crosses between Rust and Python, and what it costs."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop, new_event_loop

from .conftest import PATIENCE, Client, asyncio_timeout, eventually, in_thread, soon

testing = _turnout._testing


def test_rust_answers_without_python(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    server = testing.EchoServer(loop.reactor)
    answer = loop.run_until_complete(asyncio.to_thread(lambda: connect(server.port).ask(b"hello\n")))
    assert answer == b"hello\n"
    assert loop.reactor.stats()["crossings"] == 0


def test_python_answers_through_the_loop(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    threads = set()

    def answer(line: bytes, reply: Callable[[bytes], None]) -> None:
        threads.add(threading.get_ident())
        reply(line.upper())

    server = testing.EchoServer(loop.reactor, answer)

    def talk() -> list[bytes]:
        client = connect(server.port)
        return [client.ask(b"one\n"), client.ask(b"two\n")]

    assert loop.run_until_complete(asyncio.to_thread(talk)) == [b"ONE\n", b"TWO\n"]
    assert threads == {threading.get_ident()}


def test_answers_of_other_threads_reach_the_client(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    server = testing.EchoServer(loop.reactor, lambda line, reply: in_thread(lambda: reply(line.upper())))
    answers = loop.run_until_complete(
        asyncio.to_thread(lambda: [connect(server.port).ask(b"%d x\n" % number) for number in range(50)])
    )
    assert answers == [b"%d X\n" % number for number in range(50)]


def test_the_first_task_may_come_before_the_runtime(connect: Callable[[int], Client]) -> None:
    loop = new_event_loop()
    assert loop.reactor.stats()["runtime"] is False
    server = testing.EchoServer(loop.reactor)
    assert loop.run_until_complete(asyncio.to_thread(lambda: connect(server.port).ask(b"x\n"))) == b"x\n"
    assert loop.reactor.stats()["runtime"] is True
    loop.close()


def test_a_task_from_another_thread_wakes_a_loop_that_has_no_runtime_yet(connect: Callable[[int], Client]) -> None:
    loop = new_event_loop()

    def serve_and_ask() -> bytes:
        return connect(testing.EchoServer(loop.reactor).port).ask(b"x\n")

    # The loop sleeps in plain epoll_wait by then, or will in a moment: both must work.
    assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(serve_and_ask), PATIENCE)) == b"x\n"
    loop.close()


def test_a_burst_crosses_in_few_turns_and_in_order(loop: TurnoutLoop) -> None:
    probe = testing.Probe(loop.reactor)

    async def one_burst() -> tuple[int, int]:
        # How many turns it took, and how often the loop was woken for it.
        numbers: list[int] = []
        probe.burst(50, numbers.append)
        await asyncio.sleep(0)
        before = loop.reactor.stats()
        await soon(lambda: len(numbers) == 50)
        after = loop.reactor.stats()
        assert numbers == list(range(50))
        return after["crossings"] - before["crossings"], after["wakes"] - before["wakes"]

    async def main() -> None:
        met = []
        # A thread that the system stops meanwhile looks like a call that takes long: then fewer cross at once.
        for _ in range(50):
            turns, wakes = await one_burst()
            if turns <= 7 and wakes <= 1:
                return
            met.append((turns, wakes))
        pytest.fail(f"turns and wakes: {met}")

    loop.run_until_complete(main())


def test_what_takes_long_crosses_one_at_a_time(loop: TurnoutLoop) -> None:
    """So that the network need not go on without the loop thread during a burst of ordinary requests."""

    async def main() -> int:
        numbers: list[int] = []

        def slowly(number: int) -> None:
            time.sleep(0.002)
            numbers.append(number)

        before = loop.reactor.stats()["crossings"]
        testing.Probe(loop.reactor).burst(30, slowly)
        await soon(lambda: len(numbers) == 30)
        return loop.reactor.stats()["crossings"] - before

    # The first turn is a guess of at most eight; from the second on the cost is known.
    assert loop.run_until_complete(main()) >= 23


def test_no_callback_runs_inside_the_runtime(loop: TurnoutLoop) -> None:
    def answer(_number: int) -> None:
        # Inside block_on these would panic ("runtime within a runtime") or refuse (re-entry).
        inner = new_event_loop()
        inner.reactor.start_runtime()
        inner._selector.select(0)
        inner.close()
        loop._selector.select(0)
        done.append(1)

    done: list[int] = []
    testing.Probe(loop.reactor).burst(3, answer)
    loop.run_until_complete(soon(lambda: len(done) == 3))


def test_an_exception_goes_to_the_loops_handler_and_the_rest_runs(loop: TurnoutLoop) -> None:
    numbers: list[int] = []
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))

    def answer(number: int) -> None:
        numbers.append(number)
        if number % 2:
            raise ValueError(number)

    testing.Probe(loop.reactor).burst(6, answer)
    loop.run_until_complete(soon(lambda: len(numbers) == 6))
    assert numbers == list(range(6))
    assert [str(context["exception"]) for context in contexts] == ["1", "3", "5"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_the_loop_and_keeps_the_rest(loop: TurnoutLoop, error: type[BaseException]) -> None:
    numbers: list[int] = []

    def answer(number: int) -> None:
        numbers.append(number)
        if number == 2:
            raise error

    testing.Probe(loop.reactor).burst(6, answer)
    with pytest.raises(error):
        loop.run_forever()
    assert numbers == [0, 1, 2]
    loop.run_until_complete(soon(lambda: len(numbers) == 6))
    assert numbers == list(range(6))


def test_ctrl_c_in_a_callback_from_rust_keeps_the_rest(loop: TurnoutLoop) -> None:
    numbers: list[int] = []

    def answer(number: int) -> None:
        numbers.append(number)
        if number == 2:
            signal.raise_signal(signal.SIGINT)

    testing.Probe(loop.reactor).burst(6, answer)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(PATIENCE))
    loop.run_until_complete(soon(lambda: len(numbers) == 6))


def test_panics_become_exceptions(loop: TurnoutLoop, connect: Callable[[int], Client], capfd) -> None:
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    server = testing.EchoServer(loop.reactor)
    testing.Probe(loop.reactor).panic_everywhere()
    loop.run_until_complete(soon(lambda: contexts))
    assert "in a delivered item" in str(contexts[0]["exception"])
    assert loop.run_until_complete(asyncio.to_thread(lambda: connect(server.port).ask(b"on\n"))) == b"on\n"
    assert "in a completed job" in capfd.readouterr().err


def test_completions_run_inside_the_runtime_at_the_next_select(loop: TurnoutLoop) -> None:
    probe = testing.Probe(loop.reactor)

    async def main() -> None:
        before = loop.reactor.stats()["wakes"]
        for _ in range(100):
            probe.complete()
        # The loop is not parked: nobody had to be woken.
        assert loop.reactor.stats()["wakes"] == before
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert probe.completed == 100

    loop.run_until_complete(main())


def test_a_completion_wakes_a_parked_loop(loop: TurnoutLoop) -> None:
    probe = testing.Probe(loop.reactor)

    def complete_and_see() -> None:
        probe.complete()
        eventually(lambda: probe.completed == 1)

    # No timer: asyncio waits for the thread alone.
    loop.run_until_complete(asyncio.to_thread(complete_and_see))


def test_no_threadsafe_call_is_lost_in_a_storm(any_loop: TurnoutLoop) -> None:
    threads, each = 8, 20_000
    count = 0
    done = threading.Event()

    def call() -> None:
        nonlocal count
        count += 1
        if count == threads * each:
            done.set()
            any_loop.stop()

    def storm() -> None:
        for _ in range(each):
            any_loop.call_soon_threadsafe(call)

    for _ in range(threads):
        in_thread(storm)
    any_loop.run_forever()
    assert done.is_set()
    assert count == threads * each


def test_single_threadsafe_calls_are_not_lost(any_loop: TurnoutLoop) -> None:
    def ping() -> None:
        for _ in range(2000):
            seen = threading.Event()
            any_loop.call_soon_threadsafe(seen.set)
            assert seen.wait(PATIENCE)

    any_loop.run_until_complete(asyncio.to_thread(ping))


def test_what_comes_after_close_is_dropped() -> None:
    loop = new_event_loop()
    loop.reactor.start_runtime()
    probe = testing.Probe(loop.reactor)
    numbers: list[int] = []
    probe.burst(3, numbers.append)
    loop.close()
    probe.complete()
    probe.burst(3, numbers.append)
    gc.collect()
    assert (numbers, probe.completed) == ([], 0)


def test_a_cancelled_wait_is_a_timeout(loop: TurnoutLoop) -> None:
    # The helper of this folder itself: tests that wait for ever would show nothing.
    async def main() -> None:
        async with asyncio_timeout():
            await asyncio.sleep(0)

    loop.run_until_complete(main())
