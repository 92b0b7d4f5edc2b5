"""Waits with other HTTP clients. The lines that wait end with `# waits` and how often."""

from __future__ import annotations

import asyncio

import aiohttp
import httpx
import requests
import urllib3
from django.http import JsonResponse

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


VIEWS = [
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
