"""Calls that wait for each other on threads that are few: never for ever. More are in test_django_promises.py."""

from __future__ import annotations

import asyncio
import threading

from asgiref.sync import async_to_sync, sync_to_async
from django_driver import until
from sharing import SCRIPTS, get, settled
from tracks_site.scripts import scripts

FEW = {"hop_threads": 1, "exclusive_threads": 2}


def thread():
    return threading.current_thread().name


def test_a_call_may_wait_for_a_request_that_had_the_same_thread(make):
    """As a view does that calls its own server, or takes a lock: the other request goes on on another thread."""
    met, had = threading.Event(), []

    async def waits(request):
        had.append(await sync_to_async(thread)())
        await until(lambda: len(had) == 2)
        return await sync_to_async(met.wait)(20)

    async def is_waited_for(request):
        await until(lambda: had)
        had.append(await sync_to_async(thread)())
        await until(lambda: driver_of[0].handler.hops.busy == 1)
        await sync_to_async(met.set)()
        return True

    driver_of = []

    async def check(driver):
        driver_of.append(driver)
        scripts.update(waits=waits, is_waited_for=is_waited_for)
        answers = await asyncio.gather(get(driver, "waits"), get(driver, "is_waited_for"))
        assert [answer.text for answer in answers] == ["true", "true"]
        assert len(set(had)) == 1
        await settled(driver)

    make(check, settings=SCRIPTS, **FEW)


def test_clients_that_leave_while_their_threads_wait_for_the_loop_leave_no_thread_behind(make, with_middleware):
    """Behind sync-only middleware, where the loop once joined the thread that waited for it."""
    inside, cancelled = [], []

    async def stays(request):
        inside.append(request)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # Its thread is blocked behind it, and does this call.
            cancelled.append(await sync_to_async(thread)())
            raise

    async def check(driver):
        scripts["stays"] = stays

        async def leave(exchange):
            await until(lambda: len(inside) == 6)

        await asyncio.gather(*(driver.run_async(path="/run/stays/", leave=leave) for _ in range(6)))
        assert len(set(cancelled)) == 6
        await settled(driver)
        assert (await get(driver, "answers")).text == "true"

    async def answers(request):
        return True

    scripts["answers"] = answers
    middleware = [name for name in with_middleware("sync_only")["MIDDLEWARE"] if name.endswith("sync_only")]
    make(check, settings={**SCRIPTS, "MIDDLEWARE": middleware}, **FEW)
    scripts.clear()


def test_a_request_ends_after_the_call_that_its_client_has_left(make):
    """The call goes on, and what it works on stays open."""
    started, left, read = threading.Event(), threading.Event(), []

    def work(request):
        started.set()
        left.wait(20)
        read.append(request.body)

    async def works(request):
        await sync_to_async(work)(request)

    async def check(driver):
        scripts["works"] = works

        async def leave(exchange):
            await until(started.is_set)
            asyncio.get_running_loop().call_later(0.05, left.set)

        await driver.run_async(path="/run/works/", method="POST", body=b"body", leave=leave)
        assert read == [b"body"]
        await settled(driver)

    make(check, settings=SCRIPTS, **FEW)
    scripts.clear()


def test_a_request_that_has_answered_ends_after_the_call_that_it_gave_up(make):
    begun, left, read = [], threading.Event(), []

    def work(request):
        begun.append(True)
        left.wait(20)
        read.append(request.body)

    async def gives_up(request):
        call = asyncio.create_task(sync_to_async(work)(request))
        await until(lambda: begun)
        call.cancel()
        asyncio.get_running_loop().call_later(0.05, left.set)
        return "given up"

    async def check(driver):
        scripts["gives_up"] = gives_up
        answer = await driver.run_async(path="/run/gives_up/", method="POST", body=b"body")
        assert answer.text == '"given up"'
        await until(lambda: read)
        assert read == [b"body"]
        await settled(driver)

    make(check, settings=SCRIPTS, **FEW)
    scripts.clear()


def test_calls_through_the_loop_and_back_nest(make):
    """A call that waits for a coroutine, which has a call of its own, on threads that all do so."""

    async def deep(level):
        if level == 0:
            return thread()
        return await sync_to_async(async_to_sync(deep))(level - 1)

    async def nests(request):
        return await deep(4)

    async def check(driver):
        scripts["nests"] = nests
        answers = await asyncio.gather(*(get(driver, "nests") for _ in range(8)))
        assert {answer.status for answer in answers} == {200}
        await settled(driver)

    make(check, settings=SCRIPTS, **FEW)
    scripts.clear()
