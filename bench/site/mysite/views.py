"""The views that are measured: the same code under every server."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections.abc import AsyncIterator
from os import getpid

import adrf.views
import rest_framework.views
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from . import upstream

PAYLOAD = {"message": "hello", "items": [{"id": number, "name": f"item {number}"} for number in range(10)]}


def facts(request: HttpRequest) -> JsonResponse:
    """What this process has used so far; unlike /proc, it counts the threads that have ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return JsonResponse(
        {
            "pid": getpid(),
            "cpu": used.ru_utime + used.ru_stime,
            "switches": used.ru_nvcsw + used.ru_nivcsw,
            "threads": threading.active_count(),
        }
    )


def json_sync(request: HttpRequest) -> JsonResponse:
    return JsonResponse(PAYLOAD)


async def json_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse(PAYLOAD)


async def steps(request: HttpRequest) -> JsonResponse:
    """A thousand steps of the loop that do nothing."""
    for _ in range(1000):
        await asyncio.sleep(0)
    return JsonResponse(PAYLOAD)


async def orm(request: HttpRequest) -> JsonResponse:
    """One read."""
    user = await User.objects.aget(username="reader")
    return JsonResponse({"id": user.pk, "username": user.username})


def orm_sync(request: HttpRequest) -> JsonResponse:
    """The same from a sync view."""
    user = User.objects.get(username="reader")
    return JsonResponse({"id": user.pk, "username": user.username})


class JsonView(rest_framework.views.APIView):
    """The payload through Django REST framework, as it is configured by default."""

    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response(PAYLOAD)


class AsyncJsonView(adrf.views.APIView):
    """The same through ADRF."""

    permission_classes = ()

    async def get(self, request: Request) -> Response:
        return Response(PAYLOAD)


def cpu(request: HttpRequest) -> JsonResponse:
    """Computes for `ms` milliseconds of CPU time, whatever else runs."""
    milliseconds = float(request.GET.get("ms", "20"))
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        sum(range(500))
    return JsonResponse({"computed": milliseconds})


async def block(request: HttpRequest) -> JsonResponse:
    """What an async view must not do: keeps its loop for 200 ms of every 400, asleep or computing."""
    if request.GET.get("how") == "compute":
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            sum(range(500))
    else:
        time.sleep(0.2)
    await asyncio.sleep(0.2)
    return JsonResponse({"blocked": 200})


def _wish(request: HttpRequest) -> tuple[int, str]:
    return int(request.GET.get("n", "1")), upstream.url(request.GET.get("ms", "50"))


def _call(url: str) -> object:
    with upstream.blocking.get(url) as answer:
        answer.raise_for_status()
        return answer.json()


def calls_sync(request: HttpRequest) -> JsonResponse:
    """`n` calls with requests, one after another."""
    number, url = _wish(request)
    return JsonResponse({"answers": [_call(url) for _ in range(number)]})


class CallsView(rest_framework.views.APIView):
    """The same in a view of Django REST framework."""

    permission_classes = ()

    def get(self, request: Request) -> Response:
        number, url = _wish(request)
        return Response({"answers": [_call(url) for _ in range(number)]})


async def _calls(number: int, url: str) -> list[object]:
    async with upstream.session() as session:

        async def call() -> object:
            async with session.get(url) as answer:
                answer.raise_for_status()
                return await answer.json()

        return await asyncio.gather(*[call() for _ in range(number)])


async def calls_async(request: HttpRequest) -> JsonResponse:
    """`n` calls with aiohttp, all at once."""
    return JsonResponse({"answers": await _calls(*_wish(request))})


class AsyncCallsView(adrf.views.APIView):
    """The same in a view of ADRF, with everything of DRF's as it is by default."""

    async def get(self, request: Request) -> Response:
        return Response({"answers": await _calls(*_wish(request))})


async def _ticks(request: HttpRequest) -> AsyncIterator[str]:
    """An event a second, `n` of them, for as long as the client listens."""
    for number in range(int(request.GET.get("n", "1000000"))):
        yield f"id: {number}\ndata: tick\n\n"
        await asyncio.sleep(1)


async def events_async(request: HttpRequest) -> StreamingHttpResponse:
    """Server-sent events from an async view."""
    return StreamingHttpResponse(_ticks(request), content_type="text/event-stream")


def events_sync(request: HttpRequest) -> StreamingHttpResponse:
    """The same from a sync view."""
    return StreamingHttpResponse(_ticks(request), content_type="text/event-stream")
