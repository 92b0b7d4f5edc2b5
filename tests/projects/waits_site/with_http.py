"""Waits with other HTTP clients. The lines that wait end with `# waits` and how often."""

from __future__ import annotations

import asyncio

import aiohttp
import httpx
import requests
import urllib3
from django.http import JsonResponse
from waits_crowd import in_tasks, on_threads

from turnout.http.compat import AsyncHttpxTransport, HTTPAdapter

pool = urllib3.PoolManager(retries=urllib3.Retry(2, status_forcelist=[503], backoff_factor=0))


def told(request) -> JsonResponse:
    return JsonResponse(request.turnout.waits)


def with_requests(request):
    answer = requests.get(request.GET["upstream"], timeout=20)  # waits 1
    assert answer.text == "ok"
    return told(request)


def with_requests_session(request):
    with requests.Session() as session:
        session.get(request.GET["upstream"], auth=("somebody", "secret"))  # waits 1
        session.post(request.GET["upstream"], data=b"some")  # waits 1
    return told(request)


def with_urllib3(request):
    answer = pool.request("GET", request.GET["upstream"])  # waits 1
    assert answer.data == b"ok"
    return told(request)


def with_httpx(request):
    with httpx.Client(follow_redirects=True) as client:
        answer = client.get(request.GET["upstream"])  # waits 1
    assert answer.text == "ok"
    return told(request)


def with_httpx_streaming(request):
    with httpx.Client() as client, client.stream("GET", request.GET["upstream"]) as answer:  # waits 1
        assert answer.read() == b"ok"
    return told(request)


async def with_httpx_awaited(request):
    async with httpx.AsyncClient(follow_redirects=True) as client:
        answer = await client.get(request.GET["upstream"])  # waits 1
    assert answer.text == "ok"
    return told(request)


async def with_aiohttp(request):
    async with aiohttp.ClientSession() as session:
        async with session.get(request.GET["upstream"]) as answer:  # waits 1
            assert await answer.text() == "ok"
    return told(request)


async def with_aiohttp_and_a_late_body(request):
    async with aiohttp.ClientSession() as session:
        async with session.get(request.GET["upstream"]) as answer:  # waits 1
            await answer.read()  # waits 1
    return told(request)


async def with_aiohttp_in_tasks(request):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:

        async def fetch(call):
            async with await call as answer:
                await answer.read()

        calls = (session.get(request.GET["upstream"]), session.get(request.GET["upstream"]))  # waits 2
        await asyncio.gather(*map(fetch, calls))
    return told(request)


def with_requests_over_turnout(request):
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter())
        answer = session.get(request.GET["upstream"])  # waits 1
    assert answer.text == "ok"
    return told(request)


async def with_httpx_over_turnout(request):
    async with httpx.AsyncClient(transport=AsyncHttpxTransport()) as client:
        answer = await client.get(request.GET["upstream"])  # waits 1
    assert answer.text == "ok"
    return told(request)


async def is_cancelled(request):
    async with aiohttp.ClientSession() as session:
        try:
            await asyncio.wait_for(session.get(request.GET["upstream"]), 0.01)  # waits 1
        except asyncio.TimeoutError:
            pass
        else:
            raise AssertionError("there should be no answer yet")
    return told(request)


def is_refused(request):
    try:
        requests.get(request.GET["upstream"], timeout=20)  # waits 1
    except requests.ConnectionError:
        pass
    else:
        raise AssertionError("nobody should listen there")
    return told(request)


def queues_for_urllib3(request):
    where = urllib3.util.parse_url(request.GET["upstream"])
    with urllib3.HTTPConnectionPool(where.host, where.port, maxsize=1, block=True) as pool:
        on_threads(lambda: pool.request("GET", "/"))  # queues
    return told(request)


def queues_for_requests(request):
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
        on_threads(lambda: session.get(request.GET["upstream"]))  # queues
    return told(request)


def queues_for_httpx(request):
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as client:
        on_threads(lambda: client.get(request.GET["upstream"]))  # queues
    return told(request)


async def queues_for_httpx_awaited(request):
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:

        async def fetch():
            await client.get(request.GET["upstream"])  # queues

        await in_tasks(fetch)
    return told(request)


async def queues_for_aiohttp(request):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:

        async def fetch():
            async with session.get(request.GET["upstream"]) as answer:  # queues
                await answer.read()

        await in_tasks(fetch)
    return told(request)


def has_room(request):
    """As many connections as there are calls."""
    where = urllib3.util.parse_url(request.GET["upstream"])
    with urllib3.HTTPConnectionPool(where.host, where.port, maxsize=3, block=True) as pool:
        on_threads(lambda: pool.request("GET", "/"))
    with httpx.Client(limits=httpx.Limits(max_connections=3)) as client:
        on_threads(lambda: client.get(request.GET["upstream"]))
    return told(request)


async def has_room_awaited(request):
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=3)) as client:
        await in_tasks(lambda: client.get(request.GET["upstream"]))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=3)) as session:
        await in_tasks(lambda: session.get(request.GET["upstream"]))
    return told(request)


VIEWS = [
    queues_for_urllib3,
    queues_for_requests,
    queues_for_httpx,
    queues_for_httpx_awaited,
    queues_for_aiohttp,
    has_room,
    has_room_awaited,
    with_requests,
    with_requests_session,
    with_urllib3,
    with_httpx,
    with_httpx_streaming,
    with_httpx_awaited,
    with_aiohttp,
    with_aiohttp_and_a_late_body,
    with_aiohttp_in_tasks,
    with_requests_over_turnout,
    with_httpx_over_turnout,
    is_cancelled,
    is_refused,
]
