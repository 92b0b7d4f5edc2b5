import asyncio
import contextvars
import io
import json
import threading
import time

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import connection, transaction
from django.http import FileResponse, Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.csrf import csrf_exempt

from tracks_site.models import Item

events = []
marker = contextvars.ContextVar("marker", default="unset")


def thread():
    return threading.current_thread().name


def sync_json(request, **kwargs):
    return JsonResponse({"track": "sync", "thread": thread(), **kwargs})


async def async_json(request, **kwargs):
    return JsonResponse({"track": "async", "thread": thread(), **kwargs})


@csrf_exempt
def meta(request, n):
    """Whether the request is what Django's constructor makes of the same scope."""
    fields = ("META", "path", "path_info", "script_name", "method", "content_type", "content_params", "encoding")
    other = ASGIRequest(request.scope, io.BytesIO())
    # The seven middleware add this one.
    seen = {key: value for key, value in request.META.items() if key != "CSRF_COOKIE"}
    differences = {name: [str(getattr(request, name)), str(getattr(other, name))] for name in fields[1:]}
    differences = {name: both for name, both in differences.items() if both[0] != both[1]}
    return JsonResponse({"same": seen == other.META, "differences": differences, "seen": seen, "other": other.META})


@csrf_exempt
async def async_meta(request, n):
    return meta(request, n)


def noted(request):
    return JsonResponse(events, safe=False)


def thread_name(request):
    return HttpResponse(thread())


async def async_thread_name(request):
    return HttpResponse(thread())


async def hop(request):
    first = await sync_to_async(thread)()
    await asyncio.sleep(0.01)
    second = await sync_to_async(thread)()
    return JsonResponse({"first": first, "second": second})


async def brief_hop(request):
    """One hop, as ADRF makes for each request; says how many threads there are for such."""
    await sync_to_async(thread)()
    return JsonResponse({"threads": sum(t.name.startswith("turnout-hop-") for t in threading.enumerate())})


async def hop_n(request, n):
    names = [await sync_to_async(lambda: (time.sleep(0.005), thread())[1])() for _ in range(n)]
    return JsonResponse({"threads": sorted(set(names))})


async def boom(request):
    raise ValueError("boom")


def sync_boom(request):
    raise ValueError("boom")


async def missing(request):
    raise Http404("nothing here")


async def forbidden(request):
    raise PermissionDenied


async def leave(request):
    raise SystemExit(3)


def sync_leave(request):
    raise SystemExit(3)


async def slow(request):
    events.append("slow started")
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        events.append("slow cancelled")
        raise
    return HttpResponse("late")


async def swallow(request):
    events.append("swallow started")
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        events.append("swallowed")
    return HttpResponse("late")


def session(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return JsonResponse({"n": request.session["n"]})


async def async_session(request):
    n = await request.session.aget("n", 0) + 1
    await request.session.aset("n", n)
    return JsonResponse({"n": n})


async def message(request):
    messages.info(request, "hello")
    return HttpResponse("ok")


async def form(request):
    return JsonResponse({"posted": request.POST.get("name", ""), "thread": thread()})


async def user(request):
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


def who(request):
    return JsonResponse({"user": request.user.get_username()})


def items(request):
    Item.objects.create(name="sync")
    return JsonResponse({"count": Item.objects.count(), "thread": thread()})


async def async_items(request):
    await Item.objects.acreate(name="async")
    return JsonResponse({"count": await Item.objects.acount()})


def stream(request):
    def chunks():
        for n in range(3):
            events.append(f"chunk {n} in {thread()}")
            yield f"{n} {marker.get()} "

    marker.set("stream")
    return StreamingHttpResponse(chunks())


async def async_stream(request):
    async def chunks():
        try:
            for n in range(3):
                await asyncio.sleep(0)
                yield f"{n} "
        finally:
            events.append("async stream closed")

    return StreamingHttpResponse(chunks())


async def mixed_stream(request):
    return StreamingHttpResponse(f"{n} {thread()} " for n in range(2))


async def endless(request):
    async def chunks():
        try:
            while True:
                yield b"x" * 100
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            events.append("endless cancelled")
            raise
        finally:
            events.append("endless closed")

    return StreamingHttpResponse(chunks())


def file(request):
    return FileResponse(open(__file__, "rb"))


async def async_file(request):
    return FileResponse(await sync_to_async(open)(__file__, "rb"))


async def template(request):
    return TemplateResponse(request, "hello.html", {"name": "world"})


def wrapped(request):
    return async_json(request)


async def orphan(request):
    async def later():
        await asyncio.sleep(0.05)
        count = await Item.objects.acount()
        events.append(f"orphan counted {count >= 0} on {await sync_to_async(thread)()}")

    request_tasks.add(asyncio.create_task(later()))
    return HttpResponse("ok")


request_tasks = set()


async def context(request):
    marker.set("view")
    seen = await sync_to_async(marker.get)()

    def change():
        marker.set("hop")

    await sync_to_async(change)()
    return JsonResponse({"in_hop": seen, "after": marker.get()})


async def bad_header(request):
    response = HttpResponse("x")
    response.headers._store["x"] = ("X", "a\nb")
    return response


async def open_transaction(request):
    """Opens a transaction in a hop and never ends it."""

    def begin():
        transaction.atomic().__enter__()
        return thread()

    return HttpResponse(await sync_to_async(begin)())


async def in_transaction(request):
    def look():
        connection.ensure_connection()
        return {"in_atomic_block": connection.in_atomic_block, "thread": thread()}

    return JsonResponse(await sync_to_async(look)())


def loop_of_async_to_sync(request):
    async def inner():
        return id(asyncio.get_running_loop()), thread()

    loop, name = async_to_sync(inner)()
    return JsonResponse({"loop": loop, "name": name, "here": thread()})


@csrf_exempt
async def echo(request):
    return JsonResponse(
        {
            "body": request.body.decode(),
            "method": request.method,
            "meta": json.loads(json.dumps({k: v for k, v in request.META.items() if isinstance(v, str)})),
        }
    )


async def answer(request):
    """As the query says: `?status=404&size=20&streamed=1&Cache-Control=private`, a `cookie` if there is one to set."""
    wanted = request.GET.dict()
    status, size = int(wanted.pop("status", 200)), int(wanted.pop("size", 0))
    cookie = wanted.pop("cookie", None)
    if wanted.pop("streamed", None):

        async def chunks():
            yield b"x" * size

        response = StreamingHttpResponse(chunks(), status=status)
    else:
        response = HttpResponse(b"x" * size, status=status)
    for name, value in wanted.items():
        response[name] = value
    if cookie:
        response.set_cookie("c", cookie)
    return response


async def touch(request):
    request.session["n"] = 1
    return HttpResponse("touched")


async def open_to_all(request):
    return HttpResponse("open")


open_to_all.login_required = False
