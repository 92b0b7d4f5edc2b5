"""Calls of other clients that do nothing, with turnout's wrapper and without, for bench/watching.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import httpx
import psycopg
import redis
import redis.asyncio
import requests
import urllib3
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path
from yarl import URL

from turnout.watching import aiohttp as over_aiohttp
from turnout.watching import asyncpg as over_asyncpg
from turnout.watching import httpcore as over_httpcore
from turnout.watching import httpx as over_httpx
from turnout.watching import psycopg as over_psycopg
from turnout.watching import redis as over_redis
from turnout.watching import requests as over_requests
from turnout.watching import urllib3 as over_urllib3
from turnout.watching.clock import queued, queued_async, timed, timed_async

if not settings.configured:
    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], ASGI_APPLICATION="watched.asgi"
    )

# All of them are kept by themselves, with their places: no more are of one request.
CALLS = 60
# So many functions of a library stand between the project's code and the call that is watched.
FRAMES = 6

_library: dict[str, Any] = {}
_source = "def frame0(call, args): return call(*args)\nasync def aframe0(call, args): return await call(*args)\n"
for _number in range(1, FRAMES):
    _source += f"def frame{_number}(call, args): return frame{_number - 1}(call, args)\n"
    _source += f"async def aframe{_number}(call, args): return await aframe{_number - 1}(call, args)\n"
exec(compile(_source, "/somewhere/site-packages/library.py", "exec"), _library)
_outermost, _aoutermost = _library[f"frame{FRAMES - 1}"], _library[f"aframe{FRAMES - 1}"]


class Bare:
    """Has what a wrapper looks at."""

    def __init__(self, **having: Any) -> None:
        self.__dict__.update(having)


def _answers() -> dict[str, tuple[Any, Any, tuple[Any, ...], Any]]:
    """By library: whom a call is for, when it counts, its arguments, and what it returns."""
    url = "http://127.0.0.1:8000/path?query"
    client = redis.Redis(host="127.0.0.1", port=6379)
    pool = urllib3.HTTPConnectionPool("127.0.0.1", 8000)
    request = requests.Request("GET", url).prepare()
    answer = requests.Response()
    answer.url = url
    asked = httpx.Request("GET", url)
    database = Bare(_turnout_address="127.0.0.1:5432", pgconn=Bare(transaction_status=0))
    return {
        "urllib3": (over_urllib3._of_pool, None, (pool, "GET", "/"), None),
        "requests": (over_requests._target, None, (requests.Session(), request), answer),
        "httpx": (over_httpx._target, None, (httpx.Client(), asked), httpx.Response(200, request=asked)),
        "redis": (over_redis._of_client, None, (client, "GET", "key"), None),
        "psycopg": (over_psycopg._of_connection, over_psycopg._is_sent, (database, (i for i in ())), None),
    }


def _async_answers() -> dict[str, tuple[Any, Any, tuple[Any, ...], Any]]:
    found = _answers()
    session = Bare(connector=Bare())
    return {
        "aiohttp": (over_aiohttp._of_call, None, (session, "GET", "x"), Bare(url=URL("http://127.0.0.1:8000/path"))),
        "asyncpg": (over_asyncpg._of_connection, None, (Bare(_addr=("127.0.0.1", 5432)), "SELECT 1"), None),
        "httpx, awaited": found["httpx"],
        "psycopg, awaited": found["psycopg"],
        "redis, awaited": found["redis"],
    }


def on_thread(request) -> JsonResponse:
    """Nanoseconds of the thread a call, without the wrapper and with it."""
    where, when, args, result = _answers()[request.GET["library"]]

    def bare(*_: Any) -> Any:
        return result

    watched = timed(bare, "http", where, when)
    return JsonResponse({"bare": _took(bare, args), "watched": _took(watched, args)})


def _took(call: Callable[..., Any], args: tuple[Any, ...]) -> float:
    began = time.thread_time_ns()
    for _ in range(CALLS):
        _outermost(call, args)
    return (time.thread_time_ns() - began) / CALLS


async def on_loop(request) -> JsonResponse:
    """The same, awaited."""
    where, when, args, result = _async_answers()[request.GET["library"]]

    async def bare(*_: Any) -> Any:
        return result

    watched = timed_async(bare, "http", where, when)
    return JsonResponse({"bare": await _atook(bare, args), "watched": await _atook(watched, args)})


async def _atook(call: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> float:
    began = time.thread_time_ns()
    for _ in range(CALLS):
        await _aoutermost(call, args)
    return (time.thread_time_ns() - began) / CALLS


def _pools() -> dict[str, tuple[Any, Any]]:
    """By library: what says whether its pool is full, which it is not, and the pool."""
    store = redis.BlockingConnectionPool(host="127.0.0.1", port=6379, max_connections=2)
    return {
        "urllib3, its pool": (over_urllib3._is_full, urllib3.HTTPConnectionPool("127.0.0.1", 8000, block=True)),
        "redis, its pool": (over_redis._is_empty, store),
        "httpx, its pool": (over_httpcore._has_none, Bare(connection=store)),
    }


def _async_pools() -> dict[str, tuple[Any, Any]]:
    store = redis.asyncio.BlockingConnectionPool(host="127.0.0.1", port=6379)
    return {
        "redis, its pool, awaited": (over_redis._is_full, store),
        "httpx, its pool, awaited": (over_httpcore._has_none, Bare(connection=store)),
    }


def pool_on_thread(request) -> JsonResponse:
    """What gives a connection, inside of a call that is timed, where there is one to give."""
    full, pool = _pools()[request.GET["library"]]

    def bare(*_: Any) -> None:
        pass

    watched = queued(bare, full)

    def inside() -> JsonResponse:
        return JsonResponse({"bare": _took(bare, (pool,)), "watched": _took(watched, (pool,))})

    return timed(inside, "http", lambda *_: "127.0.0.1:8000")()


async def pool_on_loop(request) -> JsonResponse:
    """The same, awaited."""
    full, pool = _async_pools()[request.GET["library"]]

    async def bare(*_: Any) -> None:
        pass

    watched = queued_async(bare, full)

    async def inside() -> JsonResponse:
        return JsonResponse({"bare": await _atook(bare, (pool,)), "watched": await _atook(watched, (pool,))})

    return await timed_async(inside, "http", lambda *_: "127.0.0.1:8000")()


def facts(request) -> JsonResponse:
    versions = {module.__name__: module.__version__ for module in (aiohttp, asyncpg, httpx, psycopg, redis, requests)}
    views = {
        "on_thread": list(_answers()),
        "on_loop": list(_async_answers()),
        "pool_on_thread": list(_pools()),
        "pool_on_loop": list(_async_pools()),
    }
    return JsonResponse({"versions": {**versions, "urllib3": urllib3.__version__}, "views": views})


VIEWS = (on_thread, on_loop, pool_on_thread, pool_on_loop, facts)
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
asgi = get_asgi_application()
