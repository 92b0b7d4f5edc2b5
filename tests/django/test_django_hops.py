"""The pool of hop threads: who gets one, for how long, who waits, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django_driver import until

from turnout.django import hoppool
from turnout.django.hoppool import BorrowedThreads, HopPool
from turnout.django.hops import NoThreadInTime, RequestContext, RequestThread
from turnout.django.targets import Runs


class Bag:
    """Belongings that note what is done to them, and stay where they are told to."""

    def __init__(self, log, stays=""):
        self.log = log
        self.stays = stays
        self.unsettled = False

    def arrive(self, *, foreign):
        self.log.append(f"arrive {name()}")
        self.unsettled = True

    def leave(self):
        self.log.append(f"leave {name()}")
        return self.stays

    def drop(self):
        self.log.append(f"drop {name()}")

    def owes(self):
        return self.unsettled

    def end(self):
        self.log.append(f"end {name()}")
        self.unsettled = False


def pool_of(log=None, **options):
    """A pool, and the names of its threads that have ended."""
    ended = []
    notes = [] if log is None else log
    return HopPool(lambda _: Bag(notes), lambda: ended.append(name()), **options), ended


def keeping(pool, stays="it is ours"):
    """A request that keeps its thread after its first call."""
    thread = RequestThread(pool)
    thread.belongings = Bag([], stays)
    return thread


def name():
    return threading.current_thread().name


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


async def call(thread, fn, *args):
    return await asyncio.wrap_future(thread.submit(fn, *args))


def test_calls_of_a_request_are_serial_and_in_order():
    async def check():
        pool, _ = pool_of()
        thread = RequestThread(pool)
        order: list[int] = []
        calls = [call(thread, lambda n: (time.sleep(0.005 if n == 0 else 0), order.append(n)), n) for n in range(5)]
        await asyncio.gather(*calls)
        assert order == [0, 1, 2, 3, 4]
        thread.release()

    run(check())


def test_a_request_that_waits_has_no_thread():
    async def check():
        pool, _ = pool_of()
        requests = [RequestThread(pool) for _ in range(50)]
        for request in requests:
            await call(request, name)
            await until(lambda: pool.busy == 0)
        assert pool.threads == 1
        assert {await call(request, name) for request in requests} == {"turnout-hop-1"}

    run(check())


def test_belongings_are_packed_before_the_result_is_known_and_put_away_at_the_end():
    async def check():
        log: list[str] = []
        pool, _ = pool_of(log)
        thread = RequestThread(pool)
        await call(thread, log.append, "work")
        assert log == ["arrive turnout-hop-1", "work", "leave turnout-hop-1"]
        del log[:]
        thread.release()
        await until(lambda: pool.busy == 0)
        assert log == ["arrive turnout-hop-1", "end turnout-hop-1"]
        assert not thread.belongings.owes()

    run(check())


def test_calls_that_are_queued_together_are_packed_once():
    async def check():
        log: list[str] = []
        pool, _ = pool_of(log)
        thread = RequestThread(pool)
        held = threading.Event()
        first = asyncio.ensure_future(call(thread, held.wait))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(call(thread, log.append, "work")) for _ in range(3)]
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(first, *rest)
        assert [entry for entry in log if entry.startswith("leave")] == ["leave turnout-hop-1"]

    run(check())


def test_the_last_call_puts_the_belongings_away():
    async def check():
        log: list[str] = []
        pool, _ = pool_of(log)
        thread = RequestThread(pool)
        thread.end_with_next_call()
        await call(thread, log.append, "work")
        assert log == ["arrive turnout-hop-1", "work", "end turnout-hop-1"]
        thread.release()
        await until(lambda: pool.busy == 0)
        assert len(log) == 3

    run(check())


def test_what_cannot_leave_keeps_the_thread_to_the_end_of_the_request():
    async def check():
        kept: list[str] = []
        pool, _ = pool_of(kept=lambda thread: kept.append(thread.kept))
        thread = keeping(pool, "a reason")
        first = await call(thread, name)
        others = {await call(RequestThread(pool), name) for _ in range(3)}
        assert (pool.busy, first in others) == (1, False)
        assert await call(thread, name) == first
        thread.belongings.stays = ""
        assert await call(thread, name) == first
        await until(lambda: pool.busy == 0)
        assert kept == ["a reason", "a reason"]

    run(check())


def test_a_request_comes_back_to_the_thread_it_had_if_that_is_idle():
    async def check():
        pool, _ = pool_of()
        one, other = RequestThread(pool), RequestThread(pool)
        both = threading.Barrier(2, timeout=5)
        names = await asyncio.gather(*(call(each, lambda: (both.wait(), name())[1]) for each in (one, other)))
        for _ in range(3):
            assert [await call(one, name), await call(other, name)] == names

    run(check())


def test_at_the_cap_a_new_request_waits_and_one_that_was_let_in_does_not_wait_behind_it():
    async def check():
        pool, _ = pool_of(cap=2)
        begun = RequestThread(pool)
        await call(begun, name)
        holders = [keeping(pool) for _ in range(2)]
        for holder in holders:
            await call(holder, name)
        order: list[str] = []
        new = asyncio.ensure_future(call(RequestThread(pool), order.append, "new"))
        await until(lambda: pool.waiting == 1)
        old = asyncio.ensure_future(call(begun, order.append, "begun"))
        await until(lambda: pool.waiting == 2)
        assert order == []
        holders[0].release()
        await asyncio.gather(new, old)
        assert order == ["begun", "new"]
        assert pool.threads == 2
        holders[1].release()

    run(check())


def test_vetted_calls_have_a_limit_of_their_own(monkeypatch):
    async def check():
        pool, _ = pool_of(hop_threads=2, cap=3)
        monkeypatch.setattr(pool, "runs", lambda fn: Runs.VETTED if fn is vetted else Runs.FOREIGN)
        held = threading.Event()
        running: list[str] = []

        def vetted():
            running.append(name())
            held.wait(10)

        calls = [asyncio.ensure_future(call(RequestThread(pool), vetted)) for _ in range(5)]
        await until(lambda: len(running) == 2)
        assert pool.waiting == 3
        # A call of the other kind gets through.
        assert (await call(RequestThread(pool), name)).startswith("turnout-hop-")
        held.set()
        await asyncio.gather(*calls)
        assert pool.threads <= 3

    run(check())


def test_calls_that_need_no_thread_get_none(monkeypatch):
    async def check():
        pool, _ = pool_of()
        monkeypatch.setattr(pool, "runs", lambda fn: Runs.ON_LOOP if fn is name else Runs.FOREIGN)
        thread = RequestThread(pool)
        assert await call(thread, name) == "MainThread"
        assert (pool.threads, thread.used) == (0, False)

        def fail():
            raise ValueError("x")

        monkeypatch.setattr(pool, "runs", lambda fn: Runs.ON_LOOP)
        with pytest.raises(ValueError, match="x"):
            await call(thread, fail)
        # Behind a call that runs, it keeps its place.
        monkeypatch.setattr(pool, "runs", lambda fn: Runs.ON_LOOP if fn is name else Runs.FOREIGN)
        held = threading.Event()
        first = asyncio.ensure_future(call(thread, held.wait))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(call(thread, name))
        await asyncio.sleep(0)
        held.set()
        assert (await first, await second) == (True, "turnout-hop-1")

    run(check())


def test_where_nothing_moves_the_cap_gives_way_to_requests_that_were_let_in(monkeypatch):
    """The calls that run wait for something that a request holds whose own next call waits for a thread."""
    monkeypatch.setattr(hoppool, "STUCK_SECONDS", 0.1)

    async def check():
        pool, _ = pool_of(cap=2)
        lock = threading.Lock()
        holder = RequestThread(pool)
        await call(holder, lock.acquire)
        waiters = [asyncio.ensure_future(call(RequestThread(pool), lambda: lock.acquire(timeout=10))) for _ in range(2)]
        await until(lambda: pool.busy == 2)
        await call(holder, lock.release)
        assert pool.threads == 3
        done, _ = await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        assert done.pop().result()
        lock.release()
        await asyncio.gather(*waiters)

    run(check())


def test_two_requests_run_at_the_same_time():
    async def check():
        pool, _ = pool_of()
        barrier = threading.Barrier(2, timeout=5)
        await asyncio.gather(*(call(RequestThread(pool), barrier.wait) for _ in range(2)))
        assert pool.threads == 2

    run(check())


def test_who_waited_longest_is_served_first():
    async def check():
        pool, _ = pool_of(cap=1)
        holder = keeping(pool)
        await call(holder, name)
        order: list[int] = []
        threads = [RequestThread(pool) for _ in range(3)]
        calls = [asyncio.ensure_future(call(thread, order.append, n)) for n, thread in enumerate(threads)]
        await asyncio.sleep(0)
        holder.release()
        for thread, pending in zip(threads, calls, strict=True):
            await pending
            thread.release()
        assert order == [0, 1, 2]

    run(check())


def test_a_request_that_waited_too_long_is_told_so():
    async def check():
        pool, _ = pool_of(cap=1, wait_seconds=0.1)
        holder = keeping(pool)
        await call(holder, name)
        late = RequestThread(pool)
        with pytest.raises(NoThreadInTime):
            await call(late, name)
        with pytest.raises(NoThreadInTime):
            await call(late, name)
        assert pool.waiting == 0
        late.release()
        holder.release()

    run(check())


def test_a_request_that_leaves_the_queue_is_forgotten():
    async def check():
        pool, _ = pool_of(cap=1)
        holder, leaver = keeping(pool), RequestThread(pool)
        await call(holder, name)
        leaver.submit(name).cancel()
        leaver.release()
        assert pool.waiting == 0
        assert not leaver.used
        holder.release()
        assert await call(RequestThread(pool), name)

    run(check())


def test_a_task_that_outlives_its_request_keeps_its_place_in_the_queue():
    async def check():
        pool, _ = pool_of(cap=1)
        holder, leaver, other = keeping(pool), RequestThread(pool), RequestThread(pool)
        await call(holder, name)
        orphan = asyncio.ensure_future(call(leaver, name))
        await asyncio.sleep(0)
        leaver.release()
        after = asyncio.ensure_future(call(other, name))
        holder.release()
        assert await orphan == "turnout-hop-1"
        assert await after == "turnout-hop-1"

    run(check())


def test_threads_blocked_in_async_to_sync_do_not_count():
    async def check():
        pool, _ = pool_of(cap=2)
        let_go = asyncio.Event()
        blocked = []

        async def wait():
            await let_go.wait()

        async def request():
            """As behind a sync-only middleware: the thread waits for a coroutine of the loop."""
            context = RequestContext()
            from asgiref.sync import SyncToAsync

            thread = RequestThread(pool)
            SyncToAsync.context_to_thread_executor[context] = thread
            SyncToAsync.thread_sensitive_context.set(context)
            blocked.append(thread)
            await sync_to_async(async_to_sync(wait))()
            thread.release()

        tasks = [asyncio.create_task(request()) for _ in range(5)]
        await until(lambda: pool.threads == 5)
        other = RequestThread(pool)
        assert (await call(other, name)).startswith("turnout-hop-")
        let_go.set()
        await asyncio.gather(*tasks)

    run(check())


def test_idle_threads_end_and_tidy_up():
    async def check():
        pool, ended = pool_of(idle_seconds=0.05)
        thread = RequestThread(pool)
        used = await call(thread, name)
        thread.release()
        await until(lambda: pool.threads == 0 and ended == [used])
        assert (await call(RequestThread(pool), name)) != used

    run(check())


def test_calls_after_the_end_borrow_a_thread():
    async def check():
        pool, _ = pool_of()
        thread = RequestThread(pool)
        await call(thread, name)
        thread.release()
        await until(lambda: pool.busy == 0)
        assert (await call(thread, name)).startswith("turnout-hop-")
        await until(lambda: pool.busy == 0)
        both = await asyncio.gather(call(thread, name), call(thread, name))
        assert len(set(both)) == 1
        await until(lambda: pool.busy == 0)

    run(check())


def test_an_exception_reaches_the_caller_and_the_thread_lives_on():
    async def check():
        pool, _ = pool_of()
        thread = RequestThread(pool)
        for error in (ValueError, SystemExit, KeyboardInterrupt):

            def fail(error=error):
                raise error("x")

            future = thread.submit(fail)
            await until(future.done)
            assert isinstance(future.exception(), error)
        assert await call(thread, name) == "turnout-hop-1"

    run(check())


def test_close_ends_idle_threads_now_and_busy_ones_later():
    async def check():
        pool, ended = pool_of()
        idle, busy = RequestThread(pool), keeping(pool)
        await asyncio.gather(call(idle, time.sleep, 0.01), call(busy, time.sleep, 0.01))
        idle.release()
        await until(lambda: pool.busy == 1)
        pool.close()
        await until(lambda: len(ended) == 1)
        assert (await call(busy, name)).startswith("turnout-hop-")
        busy.release()
        await until(lambda: len(ended) == 2)

    run(check())


def test_a_borrowed_thread_that_never_comes_is_told_to_the_request():
    class Refusing:
        def submit(self, fn, /, *args):
            future = Future()
            asyncio.get_running_loop().call_later(0.05, future.set_exception, TimeoutError("too long"))
            return future

    async def check():
        thread = RequestThread(BorrowedThreads(Refusing(), lambda _: Bag([])))
        with pytest.raises(NoThreadInTime, match="too long"):
            await call(thread, name)
        thread.release()

    run(check())


def test_borrowed_threads_go_back_at_the_end():
    async def check():
        with ThreadPoolExecutor(1, thread_name_prefix="borrowed") as executor:
            source = BorrowedThreads(executor, lambda _: Bag([]))
            for _ in range(3):
                thread = RequestThread(source)
                assert {await call(thread, name) for _ in range(3)} == {"borrowed_0"}
                thread.release()

    run(check())


def test_at_the_cap_the_handler_answers_503(make):
    async def leave(exchange):
        await asyncio.sleep(0)

    async def check(driver):
        holder = keeping(driver.handler.hops)
        await call(holder, name)
        answer = await driver.run_async(path="/hop/")
        assert (answer.status, answer.header("Retry-After")) == (503, "5")
        through = await driver.run_asgi(path="/hop/")
        assert (through.status, through.header("Retry-After")) == (503, "5")
        assert (await driver.run_async(path="/async/")).status == 200
        holder.release()
        assert json.loads((await driver.run_async(path="/hop/")).body)["first"]

    make(check, exclusive_threads=1, thread_wait=0.1)
