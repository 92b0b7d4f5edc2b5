"""Django's special answers, from views of both kinds; what happens to them is printed."""

import asyncio
import contextlib
import io
import os
import threading
from contextvars import ContextVar

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.signals import request_finished
from django.db import connection, transaction
from django.dispatch import receiver
from django.http import FileResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition

from shown.said import say

CHUNK = b"x" * 65_536
marker = ContextVar("marker", default="lost")


@receiver(request_finished)
def finished(**kwargs):
    say("signal on", threading.current_thread().name)


class Told(FileResponse):
    """Says when it is closed."""

    def close(self):
        # The name tells this file from that of a test before, whose end may come later than its answer.
        say("closed the file", os.path.basename(self.file_to_stream.name))
        super().close()


class Noted(StreamingHttpResponse):
    """Says when it is closed."""

    def close(self):
        say("closed the stream")
        super().close()


class Shouting(FileResponse):
    """Changes what is read."""

    def make_bytes(self, value):
        return value.upper()


def opened(request):
    file = open(request.GET["path"], "rb")  # noqa: SIM115
    file.seek(int(request.GET.get("at", 0)))
    return file


def file_answer(request):
    kind = {"told": Told, "shouting": Shouting}.get(request.GET.get("kind"), FileResponse)
    file = io.BytesIO(opened(request).read()) if request.GET.get("kind") == "memory" else opened(request)
    return kind(file)


async def async_file_answer(request):
    return file_answer(request)


packed_file = gzip_page(file_answer)


def events(request):
    """A sync view, an async generator: it must run on the loop."""
    marker.set("kept")

    async def chunks():
        try:
            yield f"{threading.current_thread().name} {marker.get()} {asyncio.get_running_loop().is_running()}\n"
            for number in range(int(request.GET.get("n", 3))):
                await asyncio.sleep(0)
                yield f"{number}\n"
            while "endless" in request.GET:
                await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            say("events closed")

    return Noted(chunks())


async def async_events(request):
    return events(request)


def queried_events(request):
    """Uses what belongs to its thread, which the stream then leaves."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    caches["own"].get("anything")
    return events(request)


def left_over(request):
    """What the request before left on this thread."""
    return JsonResponse(
        {
            "thread": threading.current_thread().name,
            "connected": connection.connection is not None,
        }
    )


def wide(request):
    """An async generator with large chunks and no `await`: only its client's reading can hold it up."""

    async def chunks():
        made = 0
        try:
            for number in range(200):
                made += 1
                yield b"%d " % number + CHUNK + b"\n"
        finally:
            say(f"wide closed after {made}")

    return StreamingHttpResponse(chunks())


async def async_wide(request):
    return wide(request)


def failing(request):
    async def chunks():
        yield b"first"
        raise ValueError("in the middle")

    return StreamingHttpResponse(chunks())


async def async_rows(request):
    return rows(request)


def rows(request):
    """A sync generator with an open cursor and large chunks, for clients that read slowly.

    `stay`: what keeps a stream on its thread (docs/decisions/0014), begun by the view or by the generator.
    """
    marker.set("kept")
    threads = set()
    kept = contextlib.ExitStack()
    stay = request.GET.get("stay")

    def chunks():
        try:
            with kept, connection.cursor() as cursor:
                if stay is not None:
                    reasons_to_stay[stay](kept)
                cursor.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200) SELECT i FROM n"
                )
                for (number,) in iter(cursor.fetchone, None):
                    name = threading.current_thread().name
                    if name not in threads:
                        say("rows on", name)
                    threads.add(name)
                    yield b"%d %s " % (number, marker.get().encode()) + CHUNK + b"\n"
                    # Another query on the same connection: Django checks whose thread it is.
                    with connection.cursor() as other:
                        other.execute("SELECT 1")
        finally:
            say("rows closed")

    return Noted(chunks())


def bare(request, status):
    """A stream under a status that may have no content; `iterator`: of which kind."""

    def chunks():
        for number in range(1000):
            yield b"%d\n" % number

    async def async_chunks():
        for chunk in chunks():
            yield chunk

    content = async_chunks() if request.GET["iterator"] == "async" else chunks()
    return Noted(content, status=status, headers={"ETag": '"1"', "X-Own": "kept"})


async def async_bare(request, status):
    return bare(request, status)


@condition(etag_func=lambda request, **kwargs: '"1"')
def conditional(request, status):
    return bare(request, status)


def without_autocommit(kept):
    connection.set_autocommit(False)
    kept.callback(connection.set_autocommit, True)
    kept.callback(connection.rollback)


def on_commit(kept):
    # Outside a transaction it would run at once.
    connection.run_on_commit.append((set(), print, False))
    kept.callback(connection.run_on_commit.clear)


def shared(kept):
    connection.inc_thread_sharing()
    kept.callback(connection.dec_thread_sharing)


reasons_to_stay = {
    "transaction": lambda kept: kept.enter_context(transaction.atomic()),
    "no autocommit": without_autocommit,
    "on_commit": on_commit,
    "wrapper": lambda kept: kept.enter_context(connection.execute_wrapper(lambda execute, *args: execute(*args))),
    "shared": shared,
    "memory": lambda kept: None,
}


def busy(request):
    """A thread of the sync pool."""
    name = threading.current_thread().name
    say("busy on", name)
    return JsonResponse({"thread": name})


async def async_busy(request):
    """An exclusive thread."""
    return await sync_to_async(busy)(request)


released = {}


def hold(request):
    """Keeps its thread until somebody lets that go."""
    name = threading.current_thread().name
    event = released[name] = threading.Event()
    say("holds", name)
    event.wait(30)
    return JsonResponse({"thread": name})


async def release(request):
    released[request.GET["thread"]].set()
    return JsonResponse({})


urlpatterns = [
    path("hold", hold),
    path("release", release),
    path("file", file_answer),
    path("async-file", async_file_answer),
    path("packed-file", packed_file),
    path("events", events),
    path("async-events", async_events),
    path("queried-events", queried_events),
    path("left-over", left_over),
    path("wide", wide),
    path("async-wide", async_wide),
    path("failing", failing),
    path("rows", rows),
    path("async-rows", async_rows),
    path("async-busy", async_busy),
    path("busy", busy),
    path("bare/sync/<int:status>", bare),
    path("bare/async/<int:status>", async_bare),
    path("bare/conditional/<int:status>", conditional),
]
