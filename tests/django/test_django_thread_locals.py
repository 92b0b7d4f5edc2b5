"""What code keeps in a `threading.local` is its request's, whichever thread its hops are on."""

from __future__ import annotations

import asyncio
import threading

from asgiref.sync import sync_to_async
from django_driver import until
from sharing import SCRIPTS, current, foreign_read, get, no_items, read, settled
from tracks_site.scripts import scripts

from turnout.django import threadlocals

__all__ = ["no_items"]


class Prepared(threading.local):
    made = 0

    def __init__(self, start):
        type(self).made += 1
        self.value = start


prepared = Prepared("start")


def test_thread_locals_are_the_requests(make):
    """One thread, three requests at once: each finds what it left, and nothing of another one."""
    turn = asyncio.Event()

    def enter(n):
        before = (getattr(current, "user", None), prepared.value)
        current.user = prepared.value = n
        return before

    async def remembers(request):
        n = request.GET["n"]
        before = await sync_to_async(enter)(n)
        await turn.wait()
        await sync_to_async(read)()
        return [before, await sync_to_async(lambda: [current.user, prepared.value])()]

    async def check(driver):
        scripts["remembers"] = remembers
        calls = [asyncio.ensure_future(driver.run_async(path="/run/remembers/", query=f"n={n}")) for n in "123"]
        await asyncio.sleep(0.05)
        await settled(driver)
        turn.set()
        answers = [answer.text for answer in await asyncio.gather(*calls)]
        assert answers == [f'[[null, "start"], ["{n}", "{n}"]]' for n in "123"]
        assert not hasattr(current, "user")

    make(check, settings=SCRIPTS, exclusive_threads=1)


def test_thread_locals_end_with_their_request_on_a_thread(make):
    ended = []

    class Tidy:
        def __del__(self):
            ended.append(threading.current_thread().name)

    async def leaves(request):
        await sync_to_async(lambda: setattr(current, "tidy", Tidy()))()
        return True

    async def check(driver):
        scripts["leaves"] = leaves
        assert (await get(driver, "leaves")).status == 200
        await until(lambda: ended)
        assert ended[0].startswith("turnout-hop-")

    make(check, settings=SCRIPTS)


def test_a_thread_local_that_is_gone_is_forgotten():
    before = len(threadlocals._known)
    made = threading.local()
    made.value = made
    assert len(threadlocals._known) == before + 1
    del made.value, made
    assert len(threadlocals._known) == before


def test_other_threads_have_thread_locals_as_ever():
    current.user = "main"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(hasattr(current, "user")))
    thread.start()
    thread.join()
    assert seen == [False]
    assert current.user == "main"
    del current.user


def test_thread_sharing_exclusive_keeps_the_thread_after_foreign_code(make):
    rest = asyncio.Event()

    async def after(request):
        await (sync_to_async(read) if request.GET["kind"] == "vetted" else sync_to_async(foreign_read))()
        await rest.wait()
        return True

    async def check(driver):
        scripts["after"] = after
        calls = [
            asyncio.ensure_future(driver.run_async(path="/run/after/", query=f"kind={kind}"))
            for kind in ("vetted", "foreign", "vetted", "foreign")
        ]
        await until(lambda: driver.handler.hops.busy == 2)
        await asyncio.sleep(0.05)
        assert driver.handler.hops.busy == 2
        ((view, why),) = driver.handler.keepers.seen
        assert view == "tracks_site.scripts.run"
        assert "nobody vouches for" in why
        rest.set()
        await asyncio.gather(*calls)
        await settled(driver)

    make(check, settings=SCRIPTS, thread_sharing="exclusive")
