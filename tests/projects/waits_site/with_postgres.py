"""Waits with psycopg and asyncpg, below Django and without it."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import psycopg
import psycopg_pool
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import JsonResponse
from waits_crowd import in_tasks, on_threads

URL = os.environ["WAITS_POSTGRES"]
SLEEP = "SELECT pg_sleep(0.04)"


def told(request) -> JsonResponse:
    return JsonResponse(request.turnout.waits)


def with_psycopg(request):
    with psycopg.connect(URL) as made:  # waits 2
        made.execute(SLEEP)  # waits 1
    return told(request)


def with_a_cursor_on_the_server(request):
    with psycopg.connect(URL, autocommit=False) as made:  # waits 2
        with made.cursor("rows") as cursor:  # waits 1
            cursor.execute("SELECT * FROM generate_series(1, 3)")  # waits 1
            assert cursor.fetchmany(2) == [(1,), (2,)]  # waits 1
    return told(request)


def copies(request):
    with psycopg.connect(URL) as made:  # waits 2
        with made.cursor() as cursor, cursor.copy("COPY (SELECT pg_sleep(0.04)) TO STDOUT") as copy:  # waits 1
            assert b"".join(copy)  # waits 2
    return told(request)


async def with_psycopg_awaited(request):
    async with await psycopg.AsyncConnection.connect(URL) as made:  # waits 2
        await made.execute(SLEEP)  # waits 1
    return told(request)


def is_refused(request):
    try:
        psycopg.connect(request.GET["nobody"])  # waits 1
    except psycopg.OperationalError:
        return told(request)
    raise AssertionError("nobody should listen there")


async def is_refused_awaited(request):
    try:
        await psycopg.AsyncConnection.connect(request.GET["nobody"])  # waits 1
    except psycopg.OperationalError:
        return told(request)
    raise AssertionError("nobody should listen there")


async def with_a_pool_of_psycopg(request):
    async with psycopg_pool.AsyncConnectionPool(URL, min_size=1, max_size=1, open=False) as pool:
        await pool.wait()

        async def one():
            # One finds a connection, the other waits for it; both commit.
            async with pool.connection() as made:  # waits 3
                await made.execute(SLEEP)  # waits 2

        await asyncio.gather(one(), one())
    return told(request)


async def with_asyncpg(request):
    made = await asyncpg.connect(URL)  # waits 1
    await made.execute(SLEEP)  # waits 1
    assert await made.fetchval("SELECT $1::int", 7) == 7  # waits 1
    statement = await made.prepare("SELECT $1::int")  # waits 1
    assert await statement.fetchval(8) == 8  # waits 1
    await made.executemany("SELECT $1::int", [(1,), (2,)])  # waits 1
    async with made.transaction():  # waits 2
        rows = [row async for row in made.cursor("SELECT generate_series(1, 3)", prefetch=2)]  # waits 2
        assert len(rows) == 3
    await made.close()
    return told(request)


async def with_a_pool_of_asyncpg(request):
    async with asyncpg.create_pool(URL, min_size=1, max_size=1) as pool:  # waits 1

        async def one():
            async with pool.acquire() as made:  # waits 1
                await made.execute(SLEEP)  # waits 2

        await asyncio.gather(one(), one())
    return told(request)


def warm() -> None:
    """Connects, which Django does with several statements."""
    connection.ensure_connection()


def with_django(request):
    warm()
    with connection.cursor() as cursor:
        cursor.execute(SLEEP)  # waits 1
    with transaction.atomic():  # waits 1
        with connection.cursor() as cursor:
            cursor.execute(SLEEP)  # waits 1
    return told(request)


async def with_django_awaited(request):
    await sync_to_async(warm)()
    await sync_to_async(lambda: connection.cursor().execute(SLEEP))()  # waits 1
    return told(request)


def queues_for_psycopg(request):
    with psycopg_pool.ConnectionPool(URL, min_size=1, max_size=1) as pool:

        def one():
            with pool.connection() as made:  # queues
                made.execute(SLEEP)

        on_threads(one)
    return told(request)


async def queues_for_psycopg_awaited(request):
    async with psycopg_pool.AsyncConnectionPool(URL, min_size=1, max_size=1, open=False) as pool:

        async def one():
            async with pool.connection() as made:  # queues
                await made.execute(SLEEP)

        await in_tasks(one)
    return told(request)


async def queues_for_asyncpg(request):
    async with asyncpg.create_pool(URL, min_size=1, max_size=1) as pool:

        async def one():
            async with pool.acquire() as made:  # queues
                await made.execute(SLEEP)

        await in_tasks(one)
    return told(request)


def queues_for_django(request):
    def one():
        with connection.cursor() as cursor:  # queues
            cursor.execute(SLEEP)
        connection.close()

    on_threads(one)
    return told(request)


def has_room(request):
    """Who comes before the first connections are made is in no line either."""
    with psycopg_pool.ConnectionPool(URL, min_size=3, max_size=3) as pool:

        def one():
            with pool.connection() as made:
                made.execute(SLEEP)

        on_threads(one)
    return told(request)


async def has_room_awaited(request):
    async with asyncpg.create_pool(URL, min_size=1, max_size=3) as pool:

        async def one():
            async with pool.acquire() as made:
                await made.execute(SLEEP)

        await in_tasks(one)
    return told(request)


VIEWS = [
    queues_for_psycopg,
    queues_for_psycopg_awaited,
    queues_for_asyncpg,
    queues_for_django,
    has_room,
    has_room_awaited,
    with_psycopg,
    with_a_cursor_on_the_server,
    copies,
    with_psycopg_awaited,
    is_refused,
    is_refused_awaited,
    with_a_pool_of_psycopg,
    with_asyncpg,
    with_a_pool_of_asyncpg,
    with_django,
    with_django_awaited,
]
