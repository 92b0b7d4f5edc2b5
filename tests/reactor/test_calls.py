"""Calls and their handles: what the stdlib's loop promises, asked of both loops."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import re
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop, new_event_loop

from .conftest import PATIENCE, in_thread

testing = _turnout._testing


def make(kind: str) -> asyncio.AbstractEventLoop:
    if kind == "stdlib":
        return asyncio.SelectorEventLoop()
    loop = new_event_loop()
    if kind == "runtime":
        loop.reactor.start_runtime()
    return loop


@pytest.fixture(params=["stdlib", "plain", "runtime"])
def each_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """The stdlib's loop, and ours before and after its first Rust task."""
    loop = make(request.param)
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """One turn: what is ready now runs, and nothing that it makes ready."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_calls_run_in_order_and_what_they_add_runs_a_turn_later(each_loop) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        each_loop.call_soon(ran.append, "added")

    each_loop.call_soon(first)
    each_loop.call_soon_threadsafe(ran.append, "second")
    turn(each_loop)
    assert ran == ["first", "second"]
    turn(each_loop)
    assert ran == ["first", "second", "added"]


def test_stop_lets_the_turn_end(each_loop) -> None:
    ran: list[int] = []
    each_loop.call_soon(ran.append, 1)
    each_loop.call_soon(each_loop.stop)
    each_loop.call_soon(ran.append, 2)
    each_loop.run_forever()
    assert ran == [1, 2]
    each_loop.stop()  # before it runs: one turn
    each_loop.call_soon(ran.append, 3)
    each_loop.run_forever()
    assert ran == [1, 2, 3]


def test_a_cancelled_call_does_not_run(each_loop) -> None:
    ran: list[str] = []
    soon = each_loop.call_soon(ran.append, "soon")
    later = each_loop.call_later(0, ran.append, "later")
    other = each_loop.call_soon(lambda: last.cancel())
    last = each_loop.call_soon(ran.append, "cancelled by the one before it")
    for handle in (soon, later):
        assert handle.cancelled() is False
        handle.cancel()
        handle.cancel()
        assert handle.cancelled() is True
    turn(each_loop)
    turn(each_loop)
    assert ran == []
    assert (other.cancelled(), last.cancelled()) == (False, True)


def test_a_handle_lets_go_of_what_it_was_to_call(each_loop) -> None:
    class Thing:
        def call(self) -> None: ...

    thing = Thing()
    gone = weakref.ref(thing)
    handle = each_loop.call_later(1000, thing.call)
    del thing
    assert gone() is not None
    handle.cancel()
    gc.collect()
    assert gone() is None
    assert weakref.ref(handle)() is handle


@pytest.mark.parametrize("debug", [False, True])
def test_handles_look_like_those_of_the_stdlib(debug: bool) -> None:
    def callback(*_: object) -> None: ...

    def looks(kind: str) -> list[str]:
        loop = make(kind)
        loop.set_debug(debug)
        handles = [loop.call_soon(callback), loop.call_soon(callback, 1, "x"), loop.call_at(12.5, print, None)]
        before = [repr(handle) for handle in handles]
        for handle in handles:
            handle.cancel()
        after = [repr(handle) for handle in handles]
        loop.close()
        # Where a bound method lies differs from run to run.
        return [re.sub("0x[0-9a-f]+", "0x", text) for text in before + after]

    assert looks("plain") == looks("stdlib")


def test_timers_compare_as_those_of_the_stdlib(each_loop) -> None:
    early, late = each_loop.call_at(1.5, print), each_loop.call_at(2.5, print)
    same, other = each_loop.call_at(1.5, print), each_loop.call_at(1.5, repr)
    assert early < late
    assert late > early
    assert early <= same
    assert same >= early
    assert early == same
    assert early != other
    assert not early <= other
    assert hash(early) == hash(same) == hash(1.5)
    assert (early.when(), late.when()) == (1.5, 2.5)
    assert early != 1.5
    with pytest.raises(TypeError):
        early < 2.5  # noqa: B015
    assert sorted([late, early])[0] is early


def test_ten_thousand_timers_fire_in_order(each_loop) -> None:
    fired: list[float] = []
    start = each_loop.time()
    # Shuffled, with many of one moment: those keep the order of their making.
    dues = [start + number * 7919 % 10_000 // 10 / 20_000 for number in range(10_000)]
    for due in dues:
        each_loop.call_at(due, fired.append, due)
    each_loop.call_at(start + 0.06, each_loop.stop)
    each_loop.run_forever()
    assert fired == sorted(dues)


def test_timers_of_one_moment_fire_in_the_order_of_their_making(any_loop: TurnoutLoop) -> None:
    fired: list[int] = []
    due = any_loop.time() + 0.001
    for number in range(1000):
        any_loop.call_at(due, fired.append, number)
    any_loop.call_at(due, any_loop.stop)
    any_loop.run_forever()
    assert fired == list(range(1000))


def test_a_loop_of_many_timers_is_woken_for_them_once_a_millisecond(loop: TurnoutLoop) -> None:
    fired: list[int] = []
    turn(loop)
    before = loop.reactor.stats()["waits"]
    start = loop.time() + 0.005
    for number in range(400):
        loop.call_at(start + number * 0.0001, fired.append, number)
    loop.call_at(start + 0.04, loop.stop)
    loop.run_forever()
    assert fired == list(range(400))
    # One to the first of them, one for each of 40 milliseconds, and some that something else ended.
    assert loop.reactor.stats()["waits"] - before <= 60


def test_what_a_timer_makes_ready_after_a_sleep_needs_no_look_of_its_own(loop: TurnoutLoop) -> None:
    async def main() -> int:
        before = loop.reactor.stats()["selects"]
        for _ in range(30):
            await asyncio.sleep(0.002)
        return loop.reactor.stats()["selects"] - before

    assert loop.run_until_complete(main()) <= 45


def test_a_timer_that_stops_the_loop_stops_it_before_what_it_made_ready(any_loop: TurnoutLoop) -> None:
    seen: list[str] = []

    def stop() -> None:
        any_loop.call_soon(seen.append, "later")
        any_loop.stop()

    any_loop.call_later(0.002, stop)
    any_loop.run_forever()
    assert seen == []
    turn(any_loop)
    assert seen == ["later"]


def test_cancelled_timers_do_not_pile_up(each_loop) -> None:
    class Argument: ...

    handles = []
    for _ in range(1000):
        handles.append(each_loop.call_later(1000, print, Argument()))
    kept = each_loop.call_later(1000, print)
    gone = [weakref.ref(handle) for handle in handles]
    for handle in handles:
        handle.cancel()
    del handles, handle
    turn(each_loop)
    gc.collect()
    assert [alive for alive in gone if alive() is not None] == []
    kept.cancel()


def test_an_exception_is_told_and_the_loop_goes_on(each_loop) -> None:
    contexts: list[dict[str, Any]] = []
    each_loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    error = ValueError("told")

    def fail(_argument: int) -> None:
        raise error

    ran: list[int] = []
    handle = each_loop.call_soon(fail, 7)
    each_loop.call_soon(ran.append, 1)
    turn(each_loop)
    assert ran == [1]
    (context,) = contexts
    assert context["exception"] is error
    assert context["handle"] is handle
    assert re.match(r"Exception in callback .*fail\(7?\) at .*test_calls.py:\d+", context["message"])
    assert set(context) == {"message", "exception", "handle"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_leaves_the_loop_and_keeps_the_rest(each_loop, error: type[BaseException]) -> None:
    ran: list[int] = []

    def leave() -> None:
        raise error

    each_loop.call_soon(ran.append, 1)
    each_loop.call_soon(leave)
    each_loop.call_soon(ran.append, 2)
    with pytest.raises(error):
        each_loop.run_forever()
    assert ran == [1]
    assert not each_loop.is_running()
    turn(each_loop)
    assert ran == [1, 2]


def test_a_panic_in_a_callback_is_an_exception_like_others(any_loop: TurnoutLoop, capfd) -> None:
    contexts: list[dict[str, Any]] = []
    any_loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    ran: list[int] = []
    any_loop.call_soon(testing.panic)
    any_loop.call_soon(ran.append, 1)
    turn(any_loop)
    assert ran == [1]
    assert "panic" in str(contexts[0]["exception"])
    # The context it unwound through was left.
    assert any_loop.run_until_complete(asyncio.sleep(0, "on")) == "on"


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_callbacks_run_in_their_context(each_loop) -> None:
    seen: list[str] = []

    def see_and_set() -> None:
        seen.append(variable.get())
        variable.set("by the callback")

    mine = contextvars.copy_context()
    mine.run(variable.set, "mine")
    each_loop.call_soon(see_and_set)
    each_loop.call_soon(see_and_set, context=mine)
    each_loop.call_soon_threadsafe(see_and_set, context=mine)
    each_loop.call_later(0, see_and_set, context=mine)
    each_loop.call_at(0, lambda: seen.append(variable.get()))
    turn(each_loop)
    turn(each_loop)
    assert sorted(seen) == sorted(["unset", "mine", "by the callback", "by the callback", "unset"])
    assert variable.get() == "unset"
    if sys.version_info >= (3, 12):
        assert each_loop.call_soon(print, context=mine).get_context() is mine


def test_a_context_that_is_entered_already_is_an_exception_of_the_call(each_loop, caplog) -> None:
    ran: list[int] = []
    context = contextvars.copy_context()
    each_loop.call_soon(ran.append, 1, context=context)
    each_loop.call_soon(ran.append, 2)
    context.run(turn, each_loop)
    assert ran == [2]
    assert "already entered" in caplog.text


def test_a_closed_loop_takes_no_calls(each_loop) -> None:
    each_loop.close()
    for call in (each_loop.call_soon, each_loop.call_soon_threadsafe):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(print)
    for call in (each_loop.call_later, each_loop.call_at):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(1, print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        each_loop.add_reader(0, print)


def test_closing_drops_what_waits(each_loop) -> None:
    class Argument: ...

    argument = Argument()
    gone = weakref.ref(argument)
    each_loop.call_soon(print, argument)
    each_loop.call_later(1000, print, argument)
    del argument
    each_loop.close()
    gc.collect()
    assert gone() is None


def test_a_delay_must_be_a_number(each_loop) -> None:
    for call in (each_loop.call_later, each_loop.call_at):
        with pytest.raises((TypeError, AssertionError) if sys.version_info < (3, 11) else TypeError):
            call(None, print)
    with pytest.raises(TypeError):
        each_loop.call_later("soon", print)


def test_another_clock_is_respected() -> None:
    class Jumping(TurnoutLoop):
        """A loop whose clock can be set forward, as those that test timers have it."""

        ahead = 0.0

        def time(self) -> float:
            return super().time() + self.ahead

    loop = Jumping()

    def jump() -> None:
        loop.ahead = 10_000.0

    loop.call_later(0.001, jump)
    loop.run_until_complete(asyncio.sleep(5000))
    assert loop.call_later(1, print).when() >= time.monotonic() + 10_000.0
    loop.close()


def test_a_running_loop_cannot_be_run_again_or_closed(each_loop) -> None:
    async def main() -> None:
        assert each_loop.is_running()
        waiting = each_loop.create_future()
        with pytest.raises(RuntimeError, match="already running"):
            each_loop.run_until_complete(waiting)
        with pytest.raises(RuntimeError, match="running"):
            each_loop.close()

    each_loop.run_until_complete(main())


@pytest.mark.parametrize("debug", [False, True])
def test_a_failed_task_that_nobody_holds_is_told_about_at_once(each_loop, debug: bool) -> None:
    told: list[BaseException] = []
    each_loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    each_loop.set_debug(debug)

    async def fail() -> None:
        raise ValueError

    async def main() -> None:
        each_loop.create_task(fail())
        await asyncio.sleep(0)
        assert [type(error) for error in told] == [ValueError]

    each_loop.run_until_complete(main())


def test_debug_mode_names_slow_steps(each_loop, caplog) -> None:
    each_loop.set_debug(True)
    each_loop.slow_callback_duration = 0.01
    handle = each_loop.call_soon(time.sleep, 0.02)
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        turn(each_loop)
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(re.escape(f"Executing {handle!r} took ") + r"0\.0\d\d seconds", line)
    assert re.search(r"created at .*test_calls.py:\d+", line)


def test_debug_mode_tells_where_a_call_was_made(each_loop) -> None:
    contexts: list[dict[str, Any]] = []
    each_loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    each_loop.set_debug(True)

    def fail() -> None:
        raise ValueError

    each_loop.call_soon(fail)
    each_loop.call_soon_threadsafe(fail)
    each_loop.call_later(0, fail)
    each_loop.call_at(0, fail)
    turn(each_loop)
    turn(each_loop)
    assert len(contexts) == 4
    here = sys._getframe().f_code
    for context in contexts:
        frame = context["source_traceback"][-1]
        assert (frame.filename, frame.name) == (here.co_filename, here.co_name)


def test_debug_mode_refuses_coroutines_and_other_threads(each_loop) -> None:
    each_loop.set_debug(True)

    async def coroutine() -> None: ...

    for call in (each_loop.call_soon, each_loop.call_soon_threadsafe):
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            call(coroutine)
        with pytest.raises(TypeError, match="callable"):
            call(1)

    errors: list[RuntimeError] = []

    def from_outside() -> None:
        for call in (lambda: each_loop.call_soon(print), lambda: each_loop.call_later(1, print)):
            try:
                call()
            except RuntimeError as error:
                errors.append(error)

    each_loop.run_until_complete(asyncio.to_thread(from_outside))
    assert ["Non-thread-safe" in str(error) for error in errors] == [True, True]
    each_loop.run_until_complete(each_loop.shutdown_default_executor())


def test_debug_mode_may_be_switched_while_calls_wait(each_loop) -> None:
    ran: list[int] = []
    each_loop.call_soon(ran.append, 1)
    each_loop.call_soon(each_loop.set_debug, True)
    each_loop.call_soon(ran.append, 2)
    turn(each_loop)
    each_loop.call_soon(ran.append, 3)
    each_loop.call_soon(each_loop.set_debug, False)
    each_loop.call_soon(ran.append, 4)
    turn(each_loop)
    assert ran == [1, 2, 3, 4]


def test_a_handle_of_the_stdlib_is_run_too(any_loop: TurnoutLoop) -> None:
    ran: list[int] = []
    handle = asyncio.Handle(ran.append, (1,), any_loop, None)
    cancelled = asyncio.Handle(ran.append, (2,), any_loop, None)
    any_loop._add_callback(handle)
    any_loop._add_callback(cancelled)
    cancelled.cancel()
    turn(any_loop)
    assert ran == [1]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_start_at_once(each_loop) -> None:
    each_loop.set_task_factory(asyncio.eager_task_factory)

    async def child() -> str:
        started.append(True)
        await asyncio.sleep(0)
        return "done"

    async def main() -> str:
        task = asyncio.ensure_future(child())
        assert started == [True]
        return await task

    started: list[bool] = []
    assert each_loop.run_until_complete(main()) == "done"


def test_steps_are_stamped(any_loop: TurnoutLoop) -> None:
    # Lower bounds only: sleep() is never shorter, but any step may take longer.
    turn(any_loop)
    before = any_loop.reactor.stats()
    any_loop.call_soon(time.sleep, 0.05)
    any_loop.call_soon(time.sleep, 0.02)
    any_loop.call_soon(print).cancel()
    turn(any_loop)
    after = any_loop.reactor.stats()
    assert after["steps"] - before["steps"] == 3
    assert after["steps_ran_ns"] - before["steps_ran_ns"] >= 0.069e9
    # The second one waited for the first, and the stop for both.
    assert after["steps_queued_ns"] - before["steps_queued_ns"] >= (0.05 + 0.07 - 0.002) * 1e9
    assert after["longest_step_ns"] >= 0.049e9


def test_a_timer_counts_as_ready_from_when_it_is_due_if_the_loop_was_busy(any_loop: TurnoutLoop) -> None:
    turn(any_loop)
    before = any_loop.reactor.stats()["steps_queued_ns"]
    any_loop.call_later(0.01, any_loop.stop)
    any_loop.call_soon(time.sleep, 0.05)
    any_loop.run_forever()
    assert any_loop.reactor.stats()["steps_queued_ns"] - before >= 0.038e9


def test_calls_of_many_threads_keep_the_order_of_each(any_loop: TurnoutLoop) -> None:
    threads, each = 4, 2000
    seen: dict[int, list[int]] = {number: [] for number in range(threads)}
    left = threading.Semaphore(0)

    def talk(number: int) -> None:
        for count in range(each):
            any_loop.call_soon_threadsafe(seen[number].append, count)
        any_loop.call_soon_threadsafe(left.release)

    async def main() -> None:
        talkers = [in_thread(lambda number=number: talk(number)) for number in range(threads)]
        for _ in talkers:
            await asyncio.to_thread(left.acquire, timeout=PATIENCE)
        await any_loop.shutdown_default_executor()

    any_loop.run_until_complete(main())
    assert seen == {number: list(range(each)) for number in range(threads)}
