"""Views of known make-up: each tells what it computed and what it waited for, by other clocks than the server's.

What a view computes is told by the clock of its thread, within its own code. What it waits for is told by the other
side, which stamps when it answered, or is how long it was told to wait.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import redis
import requests
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from turnout import http

UPSTREAM = os.environ.get("REFERENCE_UPSTREAM", "")
store = redis.Redis.from_url(os.environ.get("REFERENCE_REDIS", "redis://127.0.0.1:1/0"))
pool_of_two = http.Client(limits=http.Limits(max_connections_per_host=2))
session = requests.Session()

#: How many requests each view had; seconds that they computed, that they waited, that they took.
truth: dict[str, list[float]] = {}
_lock = threading.Lock()


class Told:
    """One request's own account of itself."""

    waited = 0.0


@contextmanager
def telling(view: str) -> Iterator[Told]:
    """What is computed in here, on this thread or on a loop that does nothing else meanwhile, is the view's."""
    told = Told()
    came, began = time.monotonic(), time.thread_time()
    yield told
    computed, inside = time.thread_time() - began, time.monotonic() - came
    with _lock:
        sums = truth.setdefault(view, [0, 0.0, 0.0, 0.0])
        for place, more in enumerate((1, computed, told.waited, inside)):
            sums[place] += more


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def cpu(request: Any) -> HttpResponse:
    with telling("cpu"):
        compute(0.03)
    return HttpResponse("done")


def sleep(request: Any) -> HttpResponse:
    with telling("sleep") as told:
        compute(0.005)
        time.sleep(0.04)
        told.waited += 0.04
    return HttpResponse("done")


def database(request: Any) -> HttpResponse:
    with telling("database") as told, connection.cursor() as cursor:
        compute(0.005)
        for _ in range(2):
            cursor.execute("SELECT extract(epoch FROM clock_timestamp() - statement_timestamp()) FROM pg_sleep(0.02)")
            told.waited += float(cursor.fetchone()[0])
    return HttpResponse("done")


def by_requests(request: Any) -> HttpResponse:
    with telling("by_requests") as told:
        compute(0.005)
        sent = time.monotonic()
        told.waited += session.get(UPSTREAM, timeout=30).json()["at"] - sent
    return HttpResponse("done")


async def by_aiohttp(request: Any) -> HttpResponse:
    with telling("by_aiohttp") as told:
        compute(0.005)
        async with aiohttp.ClientSession() as client:
            sent = time.monotonic()
            async with client.get(UPSTREAM) as response:
                told.waited += (await response.json())["at"] - sent
    return HttpResponse("done")


async def by_turnout(request: Any) -> HttpResponse:
    with telling("by_turnout") as told:
        compute(0.005)
        sent = time.monotonic()
        told.waited += (await http.client.aget(UPSTREAM)).json()["at"] - sent
    return HttpResponse("done")


_shared = threading.Lock()
_released = 0.0


def lock(request: Any) -> HttpResponse:
    """Several at once stand in line for a lock, whose holder sleeps."""
    global _released
    with telling("lock") as told:
        came = time.monotonic()
        with _shared:
            told.waited += max(0.0, _released - came)
            time.sleep(0.02)
            told.waited += 0.02
            _released = time.monotonic()
    return HttpResponse("done")


def sequential(request: Any) -> HttpResponse:
    with telling("sequential") as told:
        for _ in range(3):
            sent = time.monotonic()
            told.waited += http.client.get(UPSTREAM).json()["at"] - sent
    return HttpResponse("done")


async def blocking(request: Any) -> HttpResponse:
    """What nobody should do."""
    with telling("blocking") as told:
        time.sleep(0.06)
        told.waited += 0.06
    return HttpResponse("done")


async def streaming(request: Any) -> StreamingHttpResponse:
    async def pieces() -> Any:
        with telling("streaming") as told:
            for _ in range(3):
                compute(0.002)
                await asyncio.sleep(0.02)
                told.waited += 0.02
                yield b"x"

    return StreamingHttpResponse(pieces())


def hog(request: Any) -> HttpResponse:
    with telling("hog"):
        compute(0.15)
    return HttpResponse("done")


def neighbour(request: Any) -> HttpResponse:
    """Comes back from a wait eight times, and finds the interpreter's lock taken if somebody computes."""
    with telling("neighbour") as told:
        for _ in range(8):
            compute(0.0005)
            # Relative, and begun in the system call: it is never shorter.
            select.poll().poll(5)
            told.waited += 0.005
    return HttpResponse("done")


def by_redis(request: Any) -> HttpResponse:
    """Somebody else puts there when he did, a while later."""
    with telling("by_redis") as told:
        compute(0.005)
        key = f"answer-{threading.get_ident()}"
        came = time.monotonic()
        store.rpush("wanted", key)
        _, put = store.blpop([key], timeout=30)
        told.waited += float(put) - came
    return HttpResponse("done")


def small_pool(request: Any) -> HttpResponse:
    """Twenty calls at once through two connections: ten in a row on each."""
    with telling("small_pool") as told:
        sent = time.monotonic()
        answers = pool_of_two.gather([http.Request("GET", UPSTREAM) for _ in range(20)], deadline=30)
        told.waited += max(answer["at"] for answer in answers.ok.values()) - sent
    return HttpResponse("done")


def crowded(request: Any) -> HttpResponse:
    """For more clients at once than there are threads."""
    with telling("crowded") as told:
        compute(0.001)
        time.sleep(0.04)
        told.waited += 0.04
    return HttpResponse("done")


async def behind_sync_only(request: Any) -> HttpResponse:
    with telling("behind_sync_only") as told:
        compute(0.005)
        await asyncio.sleep(0.04)
        told.waited += 0.04
    return HttpResponse("done")


class SyncOnly:
    """A middleware as they were before Django 3.1."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)


def own_account(request: Any) -> JsonResponse:
    """What the views have told so far."""
    return JsonResponse(truth)


VIEWS = [
    cpu,
    sleep,
    database,
    by_requests,
    by_aiohttp,
    by_turnout,
    lock,
    sequential,
    blocking,
    streaming,
    hog,
    neighbour,
    by_redis,
    small_pool,
    crowded,
    behind_sync_only,
    own_account,
]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
