"""Each view tells at its end where its time went."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import select
import sys
import threading
import time
from types import SimpleNamespace
from urllib.request import urlopen

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from turnout import _turnout, http


@sync_and_async_middleware
def who_asks(get_response):
    """Users as `django.contrib.auth` leaves them on the request once somebody has asked for them."""

    def note(request):
        if "x-user" in request.headers:
            request._cached_user = SimpleNamespace(is_staff=request.headers["x-user"] == "staff")

    if asyncio.iscoroutinefunction(get_response):

        async def middleware(request):
            note(request)
            return await get_response(request)
    else:

        def middleware(request):
            note(request)
            return get_response(request)

    return middleware


class SyncOnly:
    """A middleware as they were before Django 3.1."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


def compute(milliseconds: float) -> None:
    until = time.thread_time() + milliseconds / 1000
    while time.thread_time() < until:
        pass


def wait(milliseconds: int) -> None:
    """Waits outside of Python's own clocks: a poll of nothing is relative, and begins in the system call."""
    select.poll().poll(milliseconds)


def told(request) -> JsonResponse:
    times = request.turnout.times
    return JsonResponse(None if times is None else times._asdict(), safe=False)


def computes(request):
    compute(30)
    return told(request)


def waits(request):
    wait(60)
    compute(5)
    return told(request)


async def computes_on_loop(request):
    compute(30)
    return told(request)


async def sleeps(request):
    await asyncio.sleep(0.06)
    return told(request)


async def blocks(request):
    wait(60)
    return told(request)


_left = set()


async def leaves_a_task(request):
    """It blocks the loop when this request is over."""

    async def later():
        await asyncio.sleep(0.06)
        wait(60)

    task = asyncio.create_task(later())
    _left.add(task)
    task.add_done_callback(_left.discard)
    return told(request)


async def blocks_for_nobody(request):
    """A thread of the project's, which knows nothing of this request, has the loop wait."""
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(contextvars.Context().run, loop.call_soon_threadsafe, wait, 60)
    return told(request)


async def hops(request):
    def work():
        wait(60)
        compute(10)

    await sync_to_async(work)()
    return told(request)


async def children(request):
    async def child():
        await asyncio.sleep(0.03)
        compute(10)

    await asyncio.gather(child(), child(), child())
    return told(request)


def on_the_loop(request):
    """A sync view that has the loop compute for it."""

    async def work():
        await asyncio.sleep(0.03)
        compute(30)

    async_to_sync(work)()
    return told(request)


async def computes_in_threads(request):
    """Several at once fight for the GIL."""
    await asyncio.gather(*(asyncio.to_thread(compute, 5) for _ in range(2)))
    return told(request)


async def hops_and_computes(request):
    await sync_to_async(compute)(60)
    return told(request)


_gate = threading.Event()


async def holds_the_loop(request):
    """Computes until `/opens/`, which comes from outside, has been asked on a thread."""
    _gate.clear()
    until = time.monotonic() + 20
    while not _gate.is_set() and time.monotonic() < until:
        sum(range(1000))
    return told(request)


_held = threading.Event()


def holds_a_thread(request):
    _gate.clear()
    _held.set()
    _gate.wait(20)
    return told(request)


async def is_held(request):
    return JsonResponse(_held.is_set(), safe=False)


async def opens(request):
    _gate.set()
    return HttpResponse("open")


def opens_from_thread(request):
    _gate.set()
    return HttpResponse("open")


async def streams(request):
    async def pieces():
        for _ in range(3):
            await asyncio.sleep(0.02)
            yield b"x"

    return StreamingHttpResponse(pieces())


def streams_from_thread(request):
    def pieces():
        for _ in range(3):
            wait(20)
            yield b"x"

    return StreamingHttpResponse(pieces())


def _keep_all() -> None:
    """What this request consists of is in a cycle of references, and nobody looks for such."""
    gc.disable()
    frame = sys._getframe(1)
    cycle = [frame]
    while frame.f_back is not None:
        frame = frame.f_back
        cycle.append(frame)
    cycle.append(cycle)


def kept_by_cycle(request):
    _keep_all()
    wait(60)
    return told(request)


async def kept_by_cycle_on_loop(request):
    _keep_all()
    await asyncio.sleep(0.06)
    return told(request)


async def _pieces_in_cycle():
    for _ in range(3):
        _keep_all()
        await asyncio.sleep(0.02)
        yield b"x"


def kept_by_cycle_streams_on_loop(request):
    return StreamingHttpResponse(_pieces_in_cycle())


async def kept_by_cycle_streams(request):
    return StreamingHttpResponse(_pieces_in_cycle())


def told_waits(request) -> JsonResponse:
    return JsonResponse({**request.turnout.times._asdict(), "waits": request.turnout.waits})


def _sleep_in_database(milliseconds: float) -> None:
    connection.ensure_connection()
    connection.connection.create_function("wait", 1, lambda ms: wait(ms))
    with connection.cursor() as cursor:
        cursor.execute("SELECT wait(%s)", [milliseconds])


def queries(request):
    _sleep_in_database(30)
    _sleep_in_database(30)
    return told_waits(request)


async def queries_from_loop(request):
    await sync_to_async(_sleep_in_database)(60)
    return told_waits(request)


def calls(request):
    upstream = request.GET["upstream"]
    http.client.get(upstream)
    http.client.gather([http.Request("GET", upstream) for _ in range(3)], deadline=20)
    return told_waits(request)


def calls_in_sequence(request):
    for _ in range(3):
        http.client.get(request.GET["upstream"])
    return told_waits(request)


async def calls_from_loop(request):
    upstream = request.GET["upstream"]
    await http.client.aget(upstream)
    await http.client.agather([http.Request("GET", upstream) for _ in range(3)], deadline=20)
    return told_waits(request)


async def computes_long_on_loop(request):
    compute(80)
    return told(request)


async def computes_and_blocks(request):
    compute(80)
    wait(60)
    return told(request)


async def blocks_for_upstream(request):
    """Reads from a socket on the loop."""
    with urlopen(request.GET["upstream"], timeout=20) as answer:
        answer.read()
    return told(request)


def reads_from_upstream(request):
    with urlopen(request.GET["upstream"], timeout=20) as answer:
        answer.read()
    return told(request)


def waits_for_lock(request):
    done = threading.Event()
    threading.Timer(0.05, done.set).start()
    done.wait(20)
    return told(request)


async def blocks_for_lock(request):
    _gate.clear()
    await asyncio.sleep(0)
    threading.Timer(0.1, _gate.set).start()
    _gate.wait(20)
    return told(request)


async def leaves_transaction_open(request):
    """While it waits its connection cannot leave the thread."""

    def begin():
        connection.ensure_connection()
        connection.set_autocommit(False)
        connection.cursor().execute("SELECT 1")

    def end():
        connection.rollback()
        connection.set_autocommit(True)

    await sync_to_async(begin)()
    await asyncio.sleep(0.06)
    await sync_to_async(end)()
    return told(request)


_small = http.Client(limits=http.Limits(max_connections_per_host=2))


def calls_through_small_pool(request):
    _small.gather([http.Request("GET", request.GET["upstream"]) for _ in range(8)], deadline=20)
    return told(request)


def fails(request):
    raise RuntimeError("as it should")


def spans(request):
    return JsonResponse(sys.modules["states_traced"].finished(), safe=False)


def takes_body(request):
    return JsonResponse({**request.turnout.times._asdict(), "bytes": len(request.body)})


def kept(request):
    """What is kept of the view that is asked for, and what was noticed."""
    view = request.GET.get("view", "")
    return JsonResponse({"recent": _turnout.recent_requests(view), "findings": _turnout.findings()})


def figures(request):
    names = ("requests", "failed", "clamped", "overlap")
    views = {
        name: {**dict(zip(names, counts, strict=True)), "parts": parts}
        for name, counts, parts in _turnout.view_figures()
    }
    addresses = _turnout.address_figures()
    return JsonResponse(
        {"addresses": addresses, "rungs": _turnout.accounting(), "views": views, "process": os.getpid()}
    )


VIEWS = [
    computes,
    waits,
    computes_on_loop,
    sleeps,
    blocks,
    leaves_a_task,
    blocks_for_nobody,
    hops,
    children,
    on_the_loop,
    computes_in_threads,
    hops_and_computes,
    holds_the_loop,
    holds_a_thread,
    is_held,
    opens,
    opens_from_thread,
    streams,
    streams_from_thread,
    kept_by_cycle,
    kept_by_cycle_on_loop,
    kept_by_cycle_streams,
    kept_by_cycle_streams_on_loop,
    queries,
    queries_from_loop,
    calls,
    calls_from_loop,
    calls_in_sequence,
    computes_long_on_loop,
    computes_and_blocks,
    blocks_for_upstream,
    blocks_for_lock,
    reads_from_upstream,
    waits_for_lock,
    leaves_transaction_open,
    calls_through_small_pool,
    fails,
    spans,
    takes_body,
    kept,
    figures,
]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
