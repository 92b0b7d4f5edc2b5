"""Requests that take turns on threads and connections, and never notice each other."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django_driver import until
from sharing import SCRIPTS, current, foreign_read, get, names, no_items, read, settled, vetted, write
from tracks_site.scripts import scripts

from turnout.django import connections as connections_module
from turnout.django import hoppool

__all__ = ["no_items"]


@pytest.fixture
def opened():
    """Every connection that is opened."""
    seen = []

    def note(connection, **kwargs):
        seen.append(connection)

    connection_created.connect(note)
    yield seen
    connection_created.disconnect(note)


@pytest.fixture
def quiet():
    """No log: what is captured of it keeps requests alive."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def age(monkeypatch):
    """Sets CONN_MAX_AGE, in the settings that connections made from now on have."""
    return lambda seconds: monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", seconds)


# --- transactions ---


def test_a_transaction_is_its_requests_alone(make):
    """F1: on a shared thread another request's INSERT went into it, and was lost with it."""
    opened, inserted = asyncio.Event(), asyncio.Event()

    async def opens(request):
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        opened.set()
        await inserted.wait()
        await sync_to_async(transaction.set_rollback)(True)
        await sync_to_async(atomic.__exit__)(None, None, None)
        return "rolled back"

    async def inserts(request):
        await opened.wait()
        inside = await sync_to_async(lambda: connection.in_atomic_block)()
        await sync_to_async(write)("kept")
        inserted.set()
        return inside

    async def check(driver):
        scripts.update(opens=opens, inserts=inserts)
        first, second = await asyncio.gather(get(driver, "opens"), get(driver, "inserts"))
        assert (first.text, second.text) == ('"rolled back"', "false")
        assert await names() == {"kept"}
        await settled(driver)

    make(check, settings=SCRIPTS, hop_threads=1)


def test_a_commit_does_not_wait_behind_whoever_waits_for_it(make, monkeypatch):
    """F2: the request that holds a lock has a thread of its own, so that its commit needs none that waits for it."""
    # Not to be saved by the rule for pools where nothing moves.
    monkeypatch.setattr(hoppool, "STUCK_SECONDS", 1000)
    locked, waiting = asyncio.Event(), asyncio.Event()

    def foreign_write(name):
        write(name)

    async def locks(request):
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await sync_to_async(write)("locks")
        locked.set()
        await waiting.wait()
        await sync_to_async(atomic.__exit__)(None, None, None)
        return True

    async def waits(request):
        await locked.wait()
        # SQLite gives up after five seconds.
        call = asyncio.ensure_future(sync_to_async(foreign_write)("waits"))
        await asyncio.sleep(0.05)
        waiting.set()
        await call
        return True

    async def check(driver):
        scripts.update(locks=locks, waits=waits)
        answers = await asyncio.gather(*(get(driver, name) for name in ("locks", "waits", "waits")))
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert await names() == {"locks", "waits"}

    make(check, settings=SCRIPTS, exclusive_threads=2)


def test_only_an_open_transaction_keeps_a_thread_and_the_operator_is_told_once(make, caplog):
    at_rest = asyncio.Event()

    async def keeps(request):
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await at_rest.wait()
        await sync_to_async(atomic.__exit__)(None, None, None)
        return True

    async def shares(request):
        await sync_to_async(foreign_read)()
        await at_rest.wait()
        return True

    async def check(driver):
        scripts.update(keeps=keeps, shares=shares)
        calls = [get(driver, name) for name in ("keeps", "shares") for _ in range(3)]
        await until(lambda: driver.handler.hops.busy == 3 and not driver.handler.hops.waiting)
        await asyncio.sleep(0.05)
        assert driver.handler.hops.busy == 3
        at_rest.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
        await settled(driver)
        said = [record.getMessage() for record in caplog.records if "keeps a thread" in record.getMessage()]
        assert said == [
            "tracks_site.scripts.run keeps a thread while it waits: "
            "a transaction on the database 'default' stays open between its hops"
        ]

    make(check, settings=SCRIPTS)


# --- connections ---


@pytest.mark.parametrize("seconds", [600, 0])
def test_connections_are_no_more_than_hops_at_once(make, opened, age, seconds):
    age(seconds)
    started, at_rest = asyncio.Event(), []

    async def reads(request):
        await sync_to_async(read)()
        at_rest.append(request)
        await started.wait()
        return await sync_to_async(read)()

    async def check(driver):
        scripts["reads"] = reads
        calls = [get(driver, "reads") for _ in range(60)]
        await until(lambda: len(at_rest) == 60)
        await settled(driver)
        started.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
        assert len(opened) <= 2
        await settled(driver)
        left = driver.handler.store.idle()
        assert left == 0 if seconds == 0 else 1 <= left <= 2

    make(check, settings=SCRIPTS, hop_threads=2)


def test_at_age_0_a_connection_lives_as_long_as_a_request_that_used_it(make, opened, age):
    age(0)
    rest, at_rest = [asyncio.Event() for _ in range(2)], []

    async def ten_hops(request):
        for _ in range(10):
            await sync_to_async(read)()
        return True

    async def waits(request):
        await sync_to_async(read)()
        at_rest.append(request)
        await rest[int(request.GET["n"])].wait()
        return True

    async def check(driver):
        scripts.update(ten=ten_hops, waits=waits)
        store = driver.handler.store
        assert (await get(driver, "ten")).status == 200
        await until(lambda: store.idle() == 0 and not driver.handler.hops.busy)
        assert len(opened) == 1
        # Two requests after each other on one connection: it stays until the second has ended.
        calls = []
        for n in range(2):
            calls.append(asyncio.ensure_future(driver.run_async(path="/run/waits/", query=f"n={n}")))
            await until(lambda n=n: len(at_rest) == n + 1)
            assert store.idle() == 1
        assert len(opened) == 2
        rest[0].set()
        await calls[0]
        await settled(driver)
        assert store.idle() == 1
        rest[1].set()
        await calls[1]
        await until(lambda: store.idle() == 0)
        assert len(opened) == 2

    make(check, settings=SCRIPTS)


def test_what_foreign_code_used_stays_with_its_request(make, opened, age):
    """Code that keeps a connection object, or sets something on the session of the server, meets itself again."""
    age(600)
    kept = {}

    async def keeps(request):
        n = request.GET["n"]
        await sync_to_async(lambda: kept.update({n: (connection.cursor(), connections["default"])[1]}))()
        await asyncio.sleep(0.01)
        await sync_to_async(read)()
        return await sync_to_async(lambda: kept[n] is connections["default"] and kept[n].cursor() is not None)()

    async def check(driver):
        scripts["keeps"] = keeps
        calls = [driver.run_async(path="/run/keeps/", query=f"n={n}") for n in range(5)]
        answers = await asyncio.gather(*calls)
        assert [answer.text for answer in answers] == ["true"] * 5
        assert len({id(one) for one in kept.values()}) == 5
        await settled(driver)
        # And go back to the store when it is over, but no more than there are threads.
        assert 1 <= driver.handler.store.idle() <= driver.handler.hops.threads

    make(check, settings=SCRIPTS)


def test_connection_sharing_request_is_djangos_rule(make, opened, age):
    age(600)
    together = asyncio.Event()

    async def reads(request):
        await sync_to_async(read)()
        await together.wait()
        return True

    async def check(driver):
        scripts["reads"] = reads
        calls = [get(driver, "reads") for _ in range(3)]
        await until(lambda: len(opened) == 3)
        together.set()
        await asyncio.gather(*calls)

    make(check, settings=SCRIPTS, connection_sharing="request")


def test_health_is_checked_once_a_request(make, age, monkeypatch):
    age(600)
    monkeypatch.setitem(connections.settings["default"], "CONN_HEALTH_CHECKS", True)
    checks = []
    kind = type(connections["default"])
    monkeypatch.setattr(kind, "is_usable", lambda self: (checks.append(self), True)[1])

    async def reads(request):
        for _ in range(3):
            await sync_to_async(read)()
        return True

    async def check(driver):
        scripts["reads"] = reads
        for expected in (0, 1, 2):
            assert (await get(driver, "reads")).status == 200
            assert len(checks) == expected

    make(check, settings=SCRIPTS)


def test_a_connection_that_has_failed_is_looked_at_before_others_get_it(make, opened, age):
    age(600)

    @vetted
    def fail():
        with connection.cursor() as cursor:
            cursor.execute("no such statement")

    async def fails(request):
        await sync_to_async(fail)()

    async def reads(request):
        return await sync_to_async(read)()

    async def check(driver):
        scripts.update(fails=fails, reads=reads)
        assert (await get(driver, "fails")).status == 500
        assert (await get(driver, "reads")).status == 200
        assert not any(one.errors_occurred for one in opened)

    make(check, settings=SCRIPTS)


def test_what_cannot_be_packed_costs_its_request_and_nobody_else(make, age, monkeypatch, caplog):
    age(600)
    broken = []

    def why(one, shipped=connections_module.why_it_stays):
        if broken:
            raise broken.pop()
        return shipped(one)

    monkeypatch.setattr(connections_module, "why_it_stays", why)

    async def breaks(request):
        broken.append(RuntimeError("as a backend may"))
        await sync_to_async(lambda: (setattr(current, "own", "breaks"), transaction.atomic().__enter__()))()
        return True

    def look():
        return [connection.in_atomic_block, hasattr(current, "own")]

    async def looks(request):
        return await sync_to_async(look)()

    async def check(driver):
        scripts.update(breaks=breaks, looks=looks)
        assert (await get(driver, "breaks")).status == 200
        assert "could not be put away" in caplog.text
        assert (await get(driver, "looks")).text == "[false, false]"
        await settled(driver)

    make(check, settings=SCRIPTS, exclusive_threads=1)


def test_threads_of_no_request_leave_nothing_open(make, opened, age):
    """Code that asks for no particular thread; under Django's own handler its connections stay open."""
    age(0)

    def read_and_begin():
        count = foreign_read()
        transaction.atomic().__enter__()
        return [count, connection.in_atomic_block]

    async def reads(request):
        return [
            await sync_to_async(read_and_begin, thread_sensitive=False)(),
            await asyncio.to_thread(lambda: connection.in_atomic_block),
        ]

    async def check(driver):
        scripts["reads"] = reads
        for _ in range(3):
            assert (await get(driver, "reads")).text == "[[0, true], false]"
        assert opened
        assert opened
        assert all(one.connection is None or one.closed_in_transaction for one in opened)

    make(check, settings=SCRIPTS)


def test_a_connection_that_the_project_puts_there_itself_is_the_requests(make):
    """As tests do, with one that threads may share."""
    shared = connections.create_connection("default")
    shared.inc_thread_sharing()
    shared.ensure_connection()

    def put():
        connections["default"] = shared

    async def puts(request):
        await sync_to_async(put)()
        await asyncio.sleep(0)
        return await sync_to_async(lambda: connections["default"] is shared)()

    async def other(request):
        return await sync_to_async(lambda: connections["default"] is shared)()

    async def check(driver):
        scripts.update(puts=puts, other=other)
        assert [(await get(driver, name)).text for name in ("puts", "other")] == ["true", "false"]

    try:
        make(check, settings=SCRIPTS)
        # It is for the one who shared it to close it.
        assert shared.connection is not None
    finally:
        shared.dec_thread_sharing()
        shared.close()


def test_a_connection_that_was_lent_is_not_taken_when_that_ends_while_a_request_uses_it(make):
    """A live server's test is over, and takes its connection back, before the last request of its browser is."""
    ours = threading.get_ident()
    lent = connections.create_connection("default")
    lent.inc_thread_sharing()
    lent.ensure_connection()
    ended = []

    def put():
        connections["default"] = lent

    async def puts(request):
        await sync_to_async(put)()
        lent.dec_thread_sharing()
        ended.append(lent._thread_ident)
        # Another hop, and the end of the request.
        await sync_to_async(lambda: None)()
        return "done"

    async def check(driver):
        scripts.update(puts=puts)
        await get(driver, "puts")

    make(check, settings=SCRIPTS)
    assert (ended, lent._thread_ident) == ([ours], ours)
    # Still open, and of use to its owner.
    with lent.cursor() as cursor:
        cursor.execute("SELECT 1")
    lent.close()


def test_nothing_marked_goes_to_the_next_request(make):
    """Wrappers around queries, callbacks for a commit, an abandoned transaction."""

    def mark(how):
        if how == "wrapper":
            connection.execute_wrappers.append(lambda execute, *args: execute(*args))
        elif how == "on_commit":
            connection.run_on_commit.append((set(), print, False))
        else:
            transaction.atomic().__enter__()

    async def marks(request):
        await sync_to_async(mark)(request.GET["how"])
        return True

    def found():
        return [len(connection.execute_wrappers), len(connection.run_on_commit), connection.in_atomic_block]

    async def looks(request):
        return await sync_to_async(found)()

    async def check(driver):
        scripts.update(marks=marks, looks=looks)
        for how in ("wrapper", "on_commit", "transaction"):
            assert (await driver.run_async(path="/run/marks/", query=f"how={how}")).status == 200
            await settled(driver)
            assert (await get(driver, "looks")).text == "[0, 0, false]"

    make(check, settings=SCRIPTS)


# --- everything at once ---


@pytest.mark.parametrize("seed", range(6))
def test_requests_that_interleave_at_random_never_notice_each_other(make, seed, age, quiet):
    """Hops, transactions, errors and clients that leave, of twenty requests on few threads."""
    age(random.Random(seed).choice([0, 600]))
    kept: set[str] = set()
    faults: list[str] = []

    def enter(own):
        if hasattr(current, "own"):
            faults.append(f"{own} found {current.own}")
        current.own = own
        current.steps = 0

    def step(own, number):
        if (current.own, current.steps) != (own, number):
            faults.append(f"{own} at {number} found {current.own} at {current.steps}")
        current.steps += 1

    def look(own, inside):
        if connection.in_atomic_block != inside:
            faults.append(f"{own} is in a transaction: {connection.in_atomic_block}")

    class Failure(Exception):
        pass

    async def script(request):
        own = request.GET["own"]
        chance = random.Random(f"{seed} {own}")
        await sync_to_async(enter)(own)
        number = 0
        for turn in range(chance.randint(2, 6)):
            deed = chance.choice(["hop", "hop", "read", "write", "transaction", "error", "together"])
            await asyncio.sleep(chance.random() * 0.01)
            await sync_to_async(look)(own, False)
            if deed == "hop":
                await sync_to_async(step)(own, number)
                number += 1
            elif deed == "together":
                await asyncio.gather(*(sync_to_async(step)(own, number + n) for n in range(3)))
                number += 3
            elif deed == "read":
                await sync_to_async(read)()
            elif deed == "write":
                await sync_to_async(write)(f"{own} {turn}")
                kept.add(f"{own} {turn}")
            elif deed == "transaction":
                atomic = transaction.atomic()
                await sync_to_async(atomic.__enter__)()
                await sync_to_async(write)(f"{own} {turn}")
                await asyncio.sleep(chance.random() * 0.005)
                await sync_to_async(look)(own, True)
                commits = chance.random() < 0.5
                if not commits:
                    await sync_to_async(transaction.set_rollback)(True)
                await sync_to_async(atomic.__exit__)(None, None, None)
                if commits:
                    kept.add(f"{own} {turn}")
            else:
                raise Failure(own)
        return True

    async def leaves_at(seconds):
        async def leave(exchange):
            await asyncio.sleep(seconds)

        return leave

    async def check(driver):
        scripts["script"] = script
        gc.collect()
        contexts = len(SyncToAsync.context_to_thread_executor)
        chance = random.Random(seed)
        calls = []
        for n in range(20):
            leave = await leaves_at(chance.random() * 0.03) if n % 4 == 3 else None
            calls.append(driver.run_async(path="/run/script/", query=f"own=r{n}", leave=leave))
        await asyncio.gather(*calls)
        await settled(driver)
        assert faults == []
        # A request whose client left may have been cut off between a commit and its note of it.
        found = {name for name in await names() if int(name.split()[0][1:]) % 4 != 3}
        assert found == {name for name in kept if int(name.split()[0][1:]) % 4 != 3}
        assert driver.handler.hops.waiting == 0
        assert driver.handler.store.idle() <= driver.handler.hops.threads
        assert not hasattr(current, "own")
        del calls
        # A thread is idle a moment before it lets go of its last call.
        await until(lambda: (gc.collect(), len(SyncToAsync.context_to_thread_executor) == contexts)[1])

    make(check, settings=SCRIPTS, hop_threads=2, exclusive_threads=3)
