"""One request, n calls at once: with turnout.http, and with what else a project would take for it.

Each client is the process's only one, and may have as many connections as there are calls: nobody pays for what the
others do not. Clients are made at the first call, so that a server only imports what it is measured with.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from . import upstream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from turnout import http

# More than any row has calls in flight.
MOST = 8192
# What a thread pool of the process may take; a row has at most 64 requests of ten calls.
THREADS = 640
# As the lazy merge writes it.
COMPACT = {"separators": (",", ":"), "ensure_ascii": False}


@cache
def ours() -> http.Client:
    """turnout's."""
    from turnout import http

    limits = http.Limits(
        max_connections=MOST, max_connections_per_host=MOST, max_idle_per_host=MOST, max_queue=MOST, keepalive=60
    )
    return http.Client(limits=limits, timeout=30)


@cache
def capped() -> http.Client:
    """With as many connections as a client has by default: the bound on what one client does at a time."""
    from turnout import http

    return http.Client(limits=http.Limits(max_queue=MOST), timeout=30)


@cache
def pyreqwest() -> Any:
    """The Rust client of PyPI that is nearest to it."""
    from pyreqwest.client import ClientBuilder

    return ClientBuilder().pool_max_idle_per_host(MOST).http1_only().error_for_status(True).build()


@cache
def executor() -> ThreadPoolExecutor:
    """Threads for calls, kept by the process."""
    return ThreadPoolExecutor(THREADS)


def urls(request: HttpRequest) -> list[str]:
    """The calls that a request asks for: `n` of `ms` milliseconds, with answers of `json` bytes."""
    wish = request.GET
    number, size = int(wish.get("n", "10")), wish.get("json")
    base = upstream.url(wish.get("ms", "50"))
    if size is None:
        return [base] * number
    return [f"{base}&json={size}&source={source}" for source in range(number)]


def requests_for(request: HttpRequest) -> list[http.Request]:
    from turnout import http

    return [http.Request("GET", url) for url in urls(request)]


def answered(values: list[Any]) -> JsonResponse:
    return JsonResponse({"answers": values})


def whole(found: http.Gathered) -> list[Any]:
    found.raise_for_errors()
    return list(found.ok.values())


# --- ten answers, gathered ---


async def turnout_agather(request: HttpRequest) -> JsonResponse:
    return answered(whole(await ours().agather(requests_for(request))))


async def capped_agather(request: HttpRequest) -> JsonResponse:
    return answered(whole(await capped().agather(requests_for(request))))


def turnout_gather(request: HttpRequest) -> JsonResponse:
    return answered(whole(ours().gather(requests_for(request))))


async def _aiohttp(url: str) -> object:
    async with upstream.session() as session, session.get(url) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _pyreqwest(url: str) -> object:
    answer = await pyreqwest().get(url).build().send()
    return await answer.json()


def _with(call: Callable[[str], Awaitable[object]]) -> Callable[[HttpRequest], Awaitable[JsonResponse]]:
    async def view(request: HttpRequest) -> JsonResponse:
        return answered(await asyncio.gather(*[call(url) for url in urls(request)]))

    return view


aiohttp_gather = _with(_aiohttp)
pyreqwest_gather = _with(_pyreqwest)


def _requests(url: str) -> object:
    with upstream.blocking.get(url) as answer:
        answer.raise_for_status()
        return answer.json()


def requests_pool(request: HttpRequest) -> JsonResponse:
    """The best that requests can do: a thread a call."""
    return answered(list(executor().map(_requests, urls(request))))


# --- the same, telling how long the slowest call took at the upstream ---


def _stamped(waited: list[str]) -> HttpResponse:
    return HttpResponse(headers={"X-Slowest-Ms": max(waited, key=float)})


async def turnout_stamped(request: HttpRequest) -> HttpResponse:
    found = await ours().agather(requests_for(request))
    found.raise_for_errors()
    return _stamped([outcome.response.headers["x-waited-ms"] for outcome in found.values()])


async def aiohttp_stamped(request: HttpRequest) -> HttpResponse:
    async def call(url: str) -> str:
        async with upstream.session() as session, session.get(url) as answer:
            await answer.read()
            return answer.headers["x-waited-ms"]

    return _stamped(await asyncio.gather(*[call(url) for url in urls(request)]))


# --- offers of all sources, merged and sorted by price ---


def _merged(values: list[Any]) -> JsonResponse:
    offers = [offer for value in values for offer in value["offers"]]
    return JsonResponse({"offers": sorted(offers, key=itemgetter("price"))}, json_dumps_params=COMPACT)


async def turnout_lazy(request: HttpRequest) -> HttpResponse:
    """Never Python objects."""
    from turnout import http

    found = await ours().agather(requests_for(request), decode="lazy")
    found.raise_for_errors()
    return http.LazyJsonResponse(found.merge(concat="offers", sort_by="/price"))


async def turnout_merged(request: HttpRequest) -> JsonResponse:
    """The same by way of Python objects."""
    return _merged(whole(await ours().agather(requests_for(request))))


async def aiohttp_merged(request: HttpRequest) -> JsonResponse:
    return _merged(await asyncio.gather(*[_aiohttp(url) for url in urls(request)]))


# --- ten megabytes, processed while others want to be served ---


async def turnout_large(request: HttpRequest) -> JsonResponse:
    values = whole(await ours().agather(requests_for(request)))
    return JsonResponse({"offers": sum(len(value["offers"]) for value in values)})


async def lazy_large(request: HttpRequest) -> JsonResponse:
    found = await ours().agather(requests_for(request), decode="lazy")
    return JsonResponse({"offers": sum(len(value["offers"]) for value in whole(found))})


async def aiohttp_large(request: HttpRequest) -> JsonResponse:
    values = await asyncio.gather(*[_aiohttp(url) for url in urls(request)])
    return JsonResponse({"offers": sum(len(value["offers"]) for value in values)})
