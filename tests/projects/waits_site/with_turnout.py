"""Waits with turnout's own client, and with Django's ORM. The lines that wait end with `# waits`."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import JsonResponse
from waits_app.models import Thing

from turnout import http


def told(request) -> JsonResponse:
    return JsonResponse(request.turnout.waits)


def one_call(request):
    http.client.get(request.GET["upstream"])  # waits
    return told(request)


async def one_call_awaited(request):
    await http.client.aget(request.GET["upstream"])  # waits
    return told(request)


async def calls_in_tasks(request):
    client = http.client
    await asyncio.gather(*[client.aget(request.GET["upstream"]) for _ in range(3)])  # waits
    return told(request)


def gathers(request):
    requests = [http.Request("GET", request.GET["upstream"]) for _ in range(3)]
    http.client.gather(requests, deadline=20)  # waits
    return told(request)


async def gathers_awaited(request):
    requests = [http.Request("GET", request.GET["upstream"]) for _ in range(3)]
    await http.client.agather(requests, deadline=20)  # waits
    return told(request)


def as_they_come(request):
    requests = [http.Request("GET", request.GET["upstream"]) for _ in range(3)]
    for _ in http.client.as_completed(requests, deadline=20):  # waits
        pass
    return told(request)


async def as_they_come_awaited(request):
    requests = [http.Request("GET", request.GET["upstream"]) for _ in range(3)]
    async for _ in http.client.as_completed(requests, deadline=20):  # waits
        pass
    return told(request)


def streams(request):
    with http.client.stream("GET", request.GET["upstream"]) as response:  # waits
        response.read()
    return told(request)


async def streams_awaited(request):
    async with http.client.astream("GET", request.GET["upstream"]) as response:  # waits
        await response.aread()
    return told(request)


def queries(request):
    list(Thing.objects.all())  # waits
    return told(request)


async def queries_awaited(request):
    await Thing.objects.acount()  # waits
    return told(request)


async def iterates_over_a_query(request):
    async for _ in Thing.objects.all():  # waits
        pass
    return told(request)


async def hops(request):
    await sync_to_async(Thing.objects.count)()  # waits
    return told(request)


def through_a_library(request):
    """What another's code calls is found through it."""
    sorted([0, 1], key=lambda _: Thing.objects.count())  # waits
    return told(request)


def makes_the_table(request):
    with connection.schema_editor() as editor:
        editor.create_model(Thing)
    return told(request)


VIEWS = [
    one_call,
    one_call_awaited,
    calls_in_tasks,
    gathers,
    gathers_awaited,
    as_they_come,
    as_they_come_awaited,
    streams,
    streams_awaited,
    queries,
    queries_awaited,
    iterates_over_a_query,
    hops,
    through_a_library,
    makes_the_table,
]
