"""The pool of exclusive threads: who gets one, who waits, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django_driver import until

from turnout.django.hoppool import BorrowedThreads, HopPool
from turnout.django.hops import NoThreadInTime, RequestContext, RequestThread


def pool_of(**options):
    ended = []
    pool = HopPool(lambda: None, lambda: None, lambda: ended.append(threading.current_thread().name), **options)
    return pool, ended


def name():
    return threading.current_thread().name


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


async def call(thread, fn, *args):
    return await asyncio.wrap_future(thread.submit(fn, *args))


def test_a_request_keeps_its_thread_and_its_calls_are_serial():
    async def check():
        pool, _ = pool_of()
        thread = RequestThread(pool)
        order: list[int] = []
        calls = [call(thread, lambda n: (time.sleep(0.005 if n == 0 else 0), order.append(n)), n) for n in range(5)]
        await asyncio.gather(*calls)
        assert order == [0, 1, 2, 3, 4]
        assert len({await call(thread, name) for _ in range(5)}) == 1
        thread.release()

    run(check())


def test_two_requests_run_at_the_same_time():
    async def check():
        pool, _ = pool_of()
        barrier = threading.Barrier(2, timeout=5)
        await asyncio.gather(*(call(RequestThread(pool), barrier.wait) for _ in range(2)))
        assert pool.threads == 2

    run(check())


def test_at_the_cap_a_new_request_waits_and_a_running_one_does_not():
    async def check():
        pool, _ = pool_of(cap=2)
        running = [RequestThread(pool) for _ in range(2)]
        for thread in running:
            await call(thread, name)
        waiting = asyncio.ensure_future(call(RequestThread(pool), name))
        await until(lambda: pool.waiting == 1)
        first = await call(running[0], name)
        assert not waiting.done()
        running[0].release()
        assert await waiting == first
        assert pool.threads == 2

    run(check())


def test_who_waited_longest_is_served_first():
    async def check():
        pool, _ = pool_of(cap=1)
        holder = RequestThread(pool)
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
        holder = RequestThread(pool)
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
        holder, leaver = RequestThread(pool), RequestThread(pool)
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
        holder, leaver, other = RequestThread(pool), RequestThread(pool), RequestThread(pool)
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


def ending(thread, work=lambda: None):
    """The last call of a request, brief, as serving.py makes it; not awaited."""
    thread.end_with_next_call(brief=True)
    return asyncio.wrap_future(thread.submit(work))


def test_one_thread_serves_requests_that_follow_each_other_before_the_loop_has_heard_of_the_end():
    async def check():
        pool, _ = pool_of()
        names, ends = [], []
        for _ in range(50):
            thread = RequestThread(pool)
            names.append(await call(thread, name))
            ends.append(ending(thread))
        await asyncio.gather(*ends)
        assert set(names) == {"turnout-hop-1"}
        await until(lambda: pool.busy == 0)
        assert pool.threads == 1

    run(check())


def test_requests_at_once_use_no_more_threads_than_there_are_of_them():
    async def check():
        pool, _ = pool_of()

        async def client():
            for _ in range(50):
                thread = RequestThread(pool)
                await call(thread, name)
                ends.append(ending(thread))

        ends: list = []
        await asyncio.gather(*(client() for _ in range(8)))
        await asyncio.gather(*ends)
        assert pool.threads <= 8
        await until(lambda: pool.busy == 0)

    run(check())


def test_no_request_queues_behind_an_end_that_must_wait():
    """Nor behind the abandoned call of a request whose client left."""

    async def check():
        pool, _ = pool_of()
        held = threading.Event()
        slow, abandoned = RequestThread(pool), RequestThread(pool)
        slow.end_with_next_call(brief=False)
        slow.submit(held.wait)
        abandoned.submit(held.wait)
        last = ending(abandoned)
        third = RequestThread(pool)
        assert await call(third, name) == "turnout-hop-3"
        assert not last.done()
        held.set()
        await last
        third.release()
        await until(lambda: pool.busy == 0)

    run(check())


def test_a_request_at_the_cap_queues_behind_a_brief_end():
    async def check():
        pool, _ = pool_of(cap=1)
        first, second = RequestThread(pool), RequestThread(pool)
        await call(first, name)
        waiting = asyncio.ensure_future(call(second, name))
        await until(lambda: pool.waiting == 1)
        order: list[str] = []
        ended = ending(first, lambda: order.append("first ended"))
        assert await waiting == "turnout-hop-1"
        await ended
        assert order == ["first ended"]
        second.release()
        await until(lambda: pool.busy == 0)

    run(check())


def test_prepare_and_settle_run_on_the_thread_around_each_request():
    async def check():
        log: list[str] = []
        pool = HopPool(lambda: log.append(f"prepare {name()}"), lambda: log.append(f"settle {name()}"), lambda: None)
        thread = RequestThread(pool)
        await call(thread, log.append, "work")
        thread.release()
        await until(lambda: len(log) == 3)
        assert log == ["prepare turnout-hop-1", "work", "settle turnout-hop-1"]

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
        idle, busy = RequestThread(pool), RequestThread(pool)
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
        thread = RequestThread(BorrowedThreads(Refusing(), lambda: None, lambda: None))
        with pytest.raises(NoThreadInTime, match="too long"):
            await call(thread, name)
        thread.release()

    run(check())


def test_borrowed_threads_go_back_at_the_end():
    async def check():
        with ThreadPoolExecutor(1, thread_name_prefix="borrowed") as executor:
            source = BorrowedThreads(executor, lambda: None, lambda: None)
            for _ in range(3):
                thread = RequestThread(source)
                assert {await call(thread, name) for _ in range(3)} == {"borrowed_0"}
                thread.release()

    run(check())


def test_at_the_cap_the_handler_answers_503(make):
    async def leave(exchange):
        await asyncio.sleep(0)

    async def check(driver):
        holder = RequestThread(driver.handler.hops)
        await call(holder, name)
        answer = await driver.run_async(path="/hop/")
        assert (answer.status, answer.header("Retry-After")) == (503, "5")
        through = await driver.run_asgi(path="/hop/")
        assert (through.status, through.header("Retry-After")) == (503, "5")
        assert (await driver.run_async(path="/async/")).status == 200
        holder.release()
        assert json.loads((await driver.run_async(path="/hop/")).body)["first"]

    make(check, exclusive_threads=1, thread_wait=0.1)
