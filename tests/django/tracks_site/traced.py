"""Views that mark their own transaction, with time between for requests to get mixed up."""

import asyncio
import threading
import time

from asgiref.sync import sync_to_async
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tracks_site import marks


async def async_view(request, n):
    marks.mark(n)
    await asyncio.sleep(0.05)
    marks.note(n, "after sleeping")
    await sync_to_async(marks.note)(n, "in a hop")
    return HttpResponse(str(n))


def sync_view(request, n):
    marks.mark(n)
    time.sleep(0.02)
    marks.note(n, "after sleeping")
    return HttpResponse(str(n))


async def async_error(request, n):
    marks.mark(n)
    await asyncio.sleep(0.02)
    raise ValueError(f"async {n}")


def sync_error(request, n):
    marks.mark(n)
    time.sleep(0.01)
    raise ValueError(f"sync {n}")


async def plain(request):
    """Nothing here blocks."""
    await asyncio.sleep(0)
    return JsonResponse([thread.name for thread in threading.enumerate()], safe=False)


def seen(request):
    return JsonResponse(marks.seen(), safe=False)


urlpatterns = [
    path("async/<int:n>/", async_view),
    path("sync/<int:n>/", sync_view),
    path("async-error/<int:n>/", async_error),
    path("sync-error/<int:n>/", sync_error),
    path("seen/", seen),
    path("plain/", plain),
]
