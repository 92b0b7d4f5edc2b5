"""Each says on which thread it runs, and which chain brought it there."""

import threading
import time

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpResponse, JsonResponse
from django.views import View

from dispatch_site.middleware import here


def told(request, kind, **more):
    return JsonResponse({"kind": kind, "chain": getattr(request, "chain", None), "view": here(), **more})


def sync_view(request, **kwargs):
    return told(request, "sync", **kwargs)


async def async_view(request, **kwargs):
    return told(request, "async", **kwargs)


class SyncClass(View):
    def get(self, request):
        return told(request, "sync")


class AsyncClass(View):
    async def get(self, request):
        return told(request, "async")


def converted(request, **kwargs):
    """What the converters did, and where."""
    from dispatch_site import converters

    return told(request, "sync", asked=converters.asked[-1], **kwargs)


async def async_converted(request, **kwargs):
    from dispatch_site import converters

    return told(request, "async", asked=converters.asked[-1], **kwargs)


def asked(request):
    from dispatch_site import converters

    return JsonResponse(converters.asked, safe=False)


def hold(request):
    """Until released."""
    print(f"holds {here()}", flush=True)
    gate.acquire()
    return HttpResponse("held")


gate = threading.Semaphore(0)


async def release(request, n):
    for _ in range(n):
        gate.release()
    return HttpResponse("released")


def missing(request, exception):
    """A page for what is missing that takes its time: until released, if asked to."""
    if "hold" in request.path:
        print(f"misses {here()}", flush=True)
        gate.acquire()
    elif "slow" in request.path:
        time.sleep(0.005)
    return HttpResponse(f"no such page, on {here()}", status=404)


def on_the_loop(request):
    async def inner():
        return [here(), await sync_to_async(here)(), await sync_to_async(here, thread_sensitive=False)()]

    return JsonResponse({"view": here(), "inner": async_to_sync(inner)()})


async def hopping(request):
    first = await sync_to_async(here)()
    return told(request, "async", hop=first)
