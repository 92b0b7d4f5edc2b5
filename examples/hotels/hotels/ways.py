"""One search, written five ways. Only how the calls are made differs; asking, saving and answering are the same.

Each view answers with JSON. As one stop of a comparison (see pages.py) it sends the browser on to the next one instead.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from adrf.views import APIView as AsyncAPIView
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .models import Search
from .question import Question
from .threads import Watch
from .upstreams import UPSTREAMS, call, call_async


def one_after_another(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    with Watch() as watch:
        replies = [call(upstream, question, watch) for upstream in UPSTREAMS]
    search = Search.of("one-after-another", question, replies, watch)
    search.save()
    return question.next_stop() or JsonResponse(search.as_json())


def thread_pool(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    with Watch() as watch, ThreadPoolExecutor(max_workers=len(UPSTREAMS)) as pool:
        replies = list(pool.map(lambda upstream: call(upstream, question, watch), UPSTREAMS))
    search = Search.of("thread-pool", question, replies, watch)
    search.save()
    return question.next_stop() or JsonResponse(search.as_json())


async def gathered(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    with Watch() as watch:
        async with aiohttp.ClientSession() as session:
            calls = (call_async(session, upstream, question, watch) for upstream in UPSTREAMS)
            replies = await asyncio.gather(*calls)
    search = Search.of("gathered", question, replies, watch)
    await search.asave()
    return question.next_stop() or JsonResponse(search.as_json())


class AdrfSearch(AsyncAPIView):
    async def get(self, request: Request) -> HttpResponse:
        question = Question.of(request.query_params)
        with Watch() as watch:
            async with aiohttp.ClientSession() as session:
                calls = (call_async(session, upstream, question, watch) for upstream in UPSTREAMS)
                replies = await asyncio.gather(*calls)
        search = Search.of("adrf", question, replies, watch)
        await search.asave()
        return question.next_stop() or Response(search.as_json())


class DrfSearch(APIView):
    def get(self, request: Request) -> HttpResponse:
        question = Question.of(request.query_params)
        with Watch() as watch:
            replies = [call(upstream, question, watch) for upstream in UPSTREAMS]
        search = Search.of("drf", question, replies, watch)
        search.save()
        return question.next_stop() or Response(search.as_json())
