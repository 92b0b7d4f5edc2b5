"""Waits with redis: what is popped of an empty list comes after the time that the server was told to wait."""

from __future__ import annotations

import asyncio
import os

import redis
import redis.asyncio
from django.core.cache import cache
from django.http import JsonResponse
from waits_crowd import in_tasks, on_threads

URL = os.environ["WAITS_REDIS"]


def told(request) -> JsonResponse:
    return JsonResponse(request.turnout.waits)


def pops(request):
    with redis.Redis.from_url(URL) as client:
        assert client.blpop("nothing", timeout=0.04) is None  # waits 1
    return told(request)


def pipes(request):
    with redis.Redis.from_url(URL) as client, client.pipeline() as pipe:
        pipe.set("some", "thing").get("some")
        assert pipe.execute() == [True, b"thing"]  # waits 1
        pipe.watch("some")  # waits 1
        assert pipe.get("some") == b"thing"  # waits 1
    return told(request)


def listens(request):
    with redis.Redis.from_url(URL) as client, client.pubsub() as listener:
        listener.subscribe("news")  # waits 1
        assert listener.get_message(timeout=20)["type"] == "subscribe"  # waits 1
        assert listener.get_message(timeout=0.04) is None  # waits 1
    return told(request)


async def pops_awaited(request):
    async with redis.asyncio.Redis.from_url(URL) as client:
        assert await client.blpop("nothing", timeout=0.04) is None  # waits 1
    return told(request)


async def pops_in_tasks(request):
    async with redis.asyncio.Redis.from_url(URL) as client:
        await asyncio.gather(client.get("some"), client.blpop("nothing", timeout=0.04))  # waits 2
    return told(request)


async def pipes_awaited(request):
    async with redis.asyncio.Redis.from_url(URL) as client, client.pipeline() as pipe:
        pipe.set("some", "thing").get("some")
        assert await pipe.execute() == [True, b"thing"]  # waits 1
    return told(request)


async def listens_awaited(request):
    async with redis.asyncio.Redis.from_url(URL) as client, client.pubsub() as listener:
        await listener.subscribe("news")  # waits 1
        assert (await listener.get_message(timeout=20))["type"] == "subscribe"  # waits 1
        assert await listener.get_message(timeout=0.04) is None  # waits 1
    return told(request)


def asks_the_cache(request):
    cache.set("some", "thing")  # waits 1
    assert cache.get("some") == "thing"  # waits 1
    return told(request)


async def asks_the_cache_awaited(request):
    await cache.aset("some", "thing")  # waits 1
    return told(request)


def queues(request):
    pool = redis.BlockingConnectionPool.from_url(URL, max_connections=1, timeout=20)
    with redis.Redis(connection_pool=pool) as client:
        on_threads(lambda: client.blpop("nothing", timeout=0.04))  # queues
    return told(request)


async def queues_awaited(request):
    pool = redis.asyncio.BlockingConnectionPool.from_url(URL, max_connections=1, timeout=20)
    async with redis.asyncio.Redis(connection_pool=pool) as client:
        await in_tasks(lambda: client.blpop("nothing", timeout=0.04))  # queues
    return told(request)


def has_room(request):
    pool = redis.BlockingConnectionPool.from_url(URL, max_connections=3, timeout=20)
    with redis.Redis(connection_pool=pool) as client:
        on_threads(lambda: client.blpop("nothing", timeout=0.04))
    return told(request)


async def has_room_awaited(request):
    pool = redis.asyncio.BlockingConnectionPool.from_url(URL, max_connections=3, timeout=20)
    async with redis.asyncio.Redis(connection_pool=pool) as client:
        await in_tasks(lambda: client.blpop("nothing", timeout=0.04))
    return told(request)


VIEWS = [
    queues,
    queues_awaited,
    has_room,
    has_room_awaited,
    pops,
    pipes,
    listens,
    pops_awaited,
    pops_in_tasks,
    pipes_awaited,
    listens_awaited,
    asks_the_cache,
    asks_the_cache_awaited,
]
