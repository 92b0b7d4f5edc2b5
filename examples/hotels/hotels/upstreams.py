"""The booking sites, and one call to one of them: blocking with `requests`, awaitable with aiohttp.

A site that fails does not fail the search: its reply says what was wrong, and the offers of the others are shown.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import aiohttp
import requests
from django.conf import settings

from .question import Question
from .threads import Watch


@dataclass(frozen=True)
class Upstream:
    name: str
    title: str


UPSTREAMS = (
    Upstream("bettboerse", "Bettbörse"),
    Upstream("kissenpost", "Kissenpost"),
    Upstream("zimmerlei", "Zimmerlei"),
    Upstream("doorbell", "Doorbell & Sons"),
    Upstream("quillow", "Quillow"),
    Upstream("moonladder", "Moonladder"),
    Upstream("lanternkeys", "Lanternkeys"),
    Upstream("nightjar", "Nightjar Rooms"),
)


# The problem of a site that was slower than enough others.
NOT_WAITED_FOR = "was not waited for"


@dataclass
class Reply:
    """What came of one call. `problem` is empty, or says in a person's words why there are no offers."""

    upstream: Upstream
    began_ms: float
    took_ms: float
    offers: list[dict] = field(default_factory=list)
    problem: str = ""


def call(upstream: Upstream, question: Question, watch: Watch) -> Reply:
    """Calls one site and holds the thread until it answers."""
    began = watch.ms()
    try:
        answer = requests.get(
            f"{settings.HOTELS_UPSTREAMS_URL}/{upstream.name}/offers",
            params={"city": question.city, "nights": question.nights},
            timeout=settings.HOTELS_PATIENCE,
        )
        offers, problem = read(answer.status_code, answer.headers.get("retry-after"), answer.content)
    except requests.Timeout:
        offers, problem = [], "did not answer in time"
    except requests.RequestException:
        offers, problem = [], "could not be reached"
    return Reply(upstream, began, watch.ms() - began, offers, problem)


async def call_async(session: aiohttp.ClientSession, upstream: Upstream, question: Question, watch: Watch) -> Reply:
    """Calls one site and holds nothing while it waits."""
    began = watch.ms()
    try:
        async with session.get(
            f"{settings.HOTELS_UPSTREAMS_URL}/{upstream.name}/offers",
            params={"city": question.city, "nights": question.nights},
            timeout=aiohttp.ClientTimeout(total=settings.HOTELS_PATIENCE),
        ) as answer:
            offers, problem = read(answer.status, answer.headers.get("retry-after"), await answer.read())
    except asyncio.TimeoutError:
        offers, problem = [], "did not answer in time"
    except aiohttp.ClientError:
        offers, problem = [], "could not be reached"
    return Reply(upstream, began, watch.ms() - began, offers, problem)


def read(status: int, retry_after: str | None, body: bytes) -> tuple[list[dict], str]:
    """The offers of an answer, or what is wrong with it."""
    if status == 429:
        return [], f"asks for a pause of {retry_after} s (429)" if retry_after else "asks for a pause (429)"
    if status != 200:
        return [], f"is out of order ({status})"
    try:
        return list(json.loads(body)["offers"]), ""
    except (ValueError, KeyError, TypeError):
        return [], "answered with something that is not a list of offers"
