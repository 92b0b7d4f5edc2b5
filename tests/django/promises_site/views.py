"""Views of each shape; what they say goes to the answer or, where nobody listens any more, to standard output."""

import asyncio
import pathlib
import threading
import time

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse

from promises_site.models import Row
from promises_site.said import say
from promises_site.state import here, local, of_thread, seen, variable

# --- what is seen where ---


def blocking():
    """On a thread: there, and on the loop, and on a thread again from there."""
    time.sleep(0.002)
    return [seen(), *async_to_sync(on_loop)()]


async def on_loop():
    await asyncio.sleep(0.002)
    return [seen(), await sync_to_async(seen)(), await asyncio.create_task(later())]


async def later():
    await asyncio.sleep(0)
    return seen()


def chunks():
    for _ in range(3):
        time.sleep(0.001)
        yield seen() + "\n"


async def async_chunks():
    for _ in range(3):
        await asyncio.sleep(0.001)
        yield seen() + "\n"
        yield await sync_to_async(seen)() + "\n"


def answer(places, iterator):
    return StreamingHttpResponse(_joined(places, iterator()) if iterator is chunks else _ajoined(places, iterator()))


def _joined(places, rest):
    yield from (f"{place}\n" for place in places)
    yield from rest


async def _ajoined(places, rest):
    for place in places:
        yield f"{place}\n"
    async for line in rest:
        yield line


def sync_chunks(request):
    return answer([seen(), *blocking()], chunks)


def sync_async_chunks(request):
    return answer([seen(), *blocking()], async_chunks)


async def async_sync_chunks(request):
    return answer([seen(), *await on_loop(), *await sync_to_async(blocking)()], chunks)


async def async_async_chunks(request):
    return answer([seen(), *await on_loop(), *await sync_to_async(blocking)()], async_chunks)


def home(request):
    return HttpResponse(seen())


async def async_home(request):
    return HttpResponse(seen())


async def async_hop_home(request):
    return HttpResponse(await sync_to_async(seen)())


# --- contextvars and Locals, there and back ---


def change(value):
    before = variable.get(), getattr(local, "value", "unset")
    variable.set(value)
    local.value = value
    return before


async def achange(value):
    await asyncio.sleep(0)
    return change(value)


async def nested(value):
    """From the loop to a thread, from there to the loop, and once more."""
    return await sync_to_async(async_to_sync(deep))(value)


async def deep(value):
    return await sync_to_async(change)(value)


def there_and_back(request):
    variable.set("view")
    local.value = "view"
    told = [async_to_sync(achange)("coroutine"), async_to_sync(nested)("deep"), change("end")]
    return JsonResponse(told, safe=False)


async def async_there_and_back(request):
    variable.set("view")
    local.value = "view"
    told = [await sync_to_async(change)("thread"), await nested("deep"), change("end")]
    return JsonResponse(told, safe=False)


def keep(value):
    of_thread.value = value


def kept():
    return getattr(of_thread, "value", "unset")


async def thread_locals(request, n):
    """Each request's own, although threads are shared."""
    await sync_to_async(keep)(str(n))
    await asyncio.sleep(0.005)
    first = await sync_to_async(kept)()
    await asyncio.sleep(0.005)
    return JsonResponse([first, await sync_to_async(kept)()], safe=False)


# --- transactions around views ---


def atomic_row(request):
    Row.objects.create(name=request.GET["name"])
    if "fail" in request.GET:
        raise ValueError("after the row")
    return JsonResponse({"atomic": connection.in_atomic_block, "thread": here()})


async def async_atomic(request):
    return HttpResponse("never")


@transaction.non_atomic_requests
async def async_non_atomic(request):
    await Row.objects.acreate(name=request.GET["name"])
    return JsonResponse({"atomic": await sync_to_async(lambda: connection.in_atomic_block)(), "thread": here()})


non_atomic_row = transaction.non_atomic_requests(lambda request: atomic_row(request))


def rows(request):
    return JsonResponse(sorted(Row.objects.values_list("name", flat=True)), safe=False)


# --- sync middleware around async views, and the loop from threads ---


def note_old():
    return [here(), getattr(of_thread, "old", None)]


async def behind(request):
    """Everything that a view may do with threads, below a middleware that blocks one."""
    calls = [await sync_to_async(note_old)() for _ in range(2)]
    calls.append(await asyncio.wait_for(sync_to_async(note_old)(), 20))
    calls.append(await asyncio.create_task(sync_to_async(note_old)()))
    calls += await asyncio.gather(sync_to_async(note_old)(), sync_to_async(note_old)())
    free = await sync_to_async(here, thread_sensitive=False)()
    return JsonResponse({"old": request.old, "view": here(), "calls": calls, "free": free})


meeting = {}


async def meet(n):
    """Until the others are there too."""
    count, together = meeting.setdefault("now", [0, asyncio.Event()])
    meeting["now"][0] = count = count + 1
    if count == n:
        together.set()
        del meeting["now"]
    await together.wait()
    return here()


async def hop_and_meet(request, n):
    """Each waits for the loop on a thread, until all have a thread."""
    return HttpResponse(await sync_to_async(async_to_sync(meet))(n))


async def sensitive_after(request, n):
    """The same, and what they wait for needs a thread itself."""

    async def wait():
        await meet(n)
        return await sync_to_async(here)()

    def block():
        return here(), async_to_sync(wait)()

    return JsonResponse(await sync_to_async(block)(), safe=False)


def sync_meet(request, n):
    return HttpResponse(async_to_sync(meet)(n))


async def wrongly(request):
    try:
        async_to_sync(meet)(1)
    except RuntimeError as error:
        return HttpResponse(str(error))


async def several(request):
    """What the loop's own executor does while hops do theirs."""
    loop = asyncio.get_running_loop()
    jobs = [loop.run_in_executor(None, async_to_sync(later)) for _ in range(40)]
    return JsonResponse({"jobs": len(await asyncio.gather(*jobs))})


# --- tasks that outlive their request ---

tasks = set()


async def orphan(request, n):
    async def task():
        await asyncio.sleep(0.05)
        await Row.objects.acreate(name=f"orphan {n}")
        say("orphan", n, await Row.objects.filter(name=f"orphan {n}").acount(), await sync_to_async(seen)())

    made = asyncio.create_task(task())
    tasks.add(made)
    made.add_done_callback(tasks.discard)
    await sync_to_async(seen)()
    return HttpResponse("gone")


async def threads(request):
    """Those of the process, by their first two words: Python keeps some of its own that have ended."""
    names = [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
    return JsonResponse(["-".join(name.split("-")[:2]) for name in names], safe=False)


# --- leaving ---

gate = threading.Semaphore(0)
blocked = []


async def open_gate(request):
    """When the view that is blocked was told that its client left, if asked to wait for that."""
    while "told" in request.GET and not blocked[-1].cancelling():
        await asyncio.sleep(0.001)
    gate.release()
    return HttpResponse("open")


async def waits(request):
    say("waits")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        say("cancelled with", len(request.body), request.POST.get("name"))
        await asyncio.sleep(0.01)
        say("cleaned", await sync_to_async(here)())
        raise


async def swallows(request):
    say("waits")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        say("cancelled with", len(request.body), request.POST.get("name"))
    return HttpResponse("for nobody")


async def waits_for_a_thread(request):
    def block():
        say("blocks")
        gate.acquire()
        say("unblocked")

    blocked.append(asyncio.current_task())
    try:
        await sync_to_async(block)()
    except asyncio.CancelledError:
        say("cancelled")
        raise


async def waits_for_the_loop_on_a_thread(request):
    async def inner():
        say("waits")
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            say("inner cancelled")
            raise

    try:
        await sync_to_async(async_to_sync(inner))()
    except asyncio.CancelledError:
        say("outer cancelled")
        raise


def blocks(request):
    """Nothing can interrupt it."""
    say("blocks")
    gate.acquire()
    say("unblocked")
    return HttpResponse("for nobody")


async def stream_waits(request):
    async def chunks():
        try:
            yield b"first"
            say("waits")
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            say("generator cancelled")
            raise
        finally:
            say("generator closed", await sync_to_async(here)())

    return StreamingHttpResponse(chunks())


def sync_stream_waits(request):
    return async_to_sync(stream_waits)(request)


held = []


async def stream_is_not_read(request):
    async def chunks():
        try:
            say("yields")
            while True:
                yield b"x" * 1_000_000
        finally:
            say("generator closed", await sync_to_async(here)())

    # So that only who runs it can close it: nothing is collected.
    held.append(chunks())
    return StreamingHttpResponse(held[-1])


def sync_stream_is_not_read(request):
    return async_to_sync(stream_is_not_read)(request)


# --- ways out ---


def ends(request, how):
    return _end(how)


async def async_ends(request, how):
    return _end(how)


def _end(how):
    if how == "raises":
        raise ValueError("as asked")
    if how == "is-missing":
        raise Http404
    if how == "refuses":
        raise PermissionDenied
    if how == "exits":
        raise SystemExit(3)
    if how == "is-no-response":
        return "text"
    if how == "fails-streaming":
        return StreamingHttpResponse(_failing())
    return HttpResponse("well")


def _failing():
    yield b"first"
    raise ValueError("in the middle")
