"""The same search with turnout.http, four ways: all calls go out at once inside its client, whoever asks.

The first two answer as those of ways.py do. The last two never build the whole answer in Python: one merges the sites'
answers as they are, the other passes on what a site says when it says it.
"""

import json
from collections.abc import AsyncIterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.loader import render_to_string

from turnout import http

from .models import Search, cheapest_first
from .question import Question
from .threads import Watch
from .upstreams import NOT_WAITED_FOR, UPSTREAMS, Reply

BY_NAME = {upstream.name: upstream for upstream in UPSTREAMS}

# All eight sites are one server here, and a hundred searches at once are eight hundred calls.
client = http.Client(timeout=settings.HOTELS_PATIENCE, limits=http.Limits(max_connections_per_host=1000))


# Where a page that grows is cut in two.
HERE = "<!-- the sites -->"


def calls(question: Question) -> dict[str, http.Request]:
    """One to each site."""
    query = {"city": question.city, "nights": question.nights}
    return {
        name: http.Request("GET", f"{settings.HOTELS_UPSTREAMS_URL}/{name}/offers", params=query) for name in BY_NAME
    }


def gather(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    with Watch() as watch:
        found = client.gather(calls(question))
        replies = [reply(outcome) for outcome in found.values()]
    search = Search.of("http-gather", question, replies, watch)
    search.save()
    return question.next_stop() or JsonResponse(search.as_json())


async def agather(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    with Watch() as watch:
        # Enough sites are enough: who is much later than they are is not waited for, and offers nothing.
        found = await client.agather(
            calls(question),
            quorum=settings.HOTELS_QUORUM,
            grace=settings.HOTELS_GRACE,
            fallback=lambda name, error: {"offers": []},
        )
        replies = [reply(outcome) for outcome in found.values()]
    search = Search.of("http-agather", question, replies, watch)
    await search.asave()
    return question.next_stop() or JsonResponse(search.as_json())


async def merged(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)
    found = await client.agather(calls(question), decode="lazy")
    # One list out of eight answers, without an object of Python's for a single offer.
    offers = found.merge(concat="offers", group_as="site", sort_by="/per_night", limit=20)
    return http.LazyJsonResponse(offers, headers={"Cache-Control": found.cache_control()})


async def as_they_come(request: HttpRequest) -> HttpResponse:
    question = Question.of(request.GET)

    async def lines() -> AsyncIterator[str]:
        async with client.as_completed(calls(question)) as coming:
            async for outcome in coming:
                said = reply(outcome)
                line = {"site": said.upstream.title, "after_ms": round(said.took_ms, 1), "problem": said.problem}
                yield json.dumps({**line, "offers": said.offers}) + "\n"

    return StreamingHttpResponse(lines(), content_type="application/x-ndjson")


async def live(request: HttpRequest) -> HttpResponse:
    """A page that grows: the browser shows each site's offers when they are there, without a script."""
    question = Question.of(request.GET)

    async def pieces() -> AsyncIterator[str]:
        page = {"question": question, "sites": UPSTREAMS, "server": request.META.get("SERVER_SOFTWARE", "")}
        head, foot = render_to_string("hotels/live.html", page).split(HERE)
        yield head
        replies: list[Reply] = []
        async with client.as_completed(calls(question)) as coming:
            async for outcome in coming:
                said = reply(outcome)
                replies.append(said)
                site = {"reply": said, "cheapest": cheapest_first([said]), "question": question}
                yield render_to_string("hotels/live_site.html", site)
        yield render_to_string("hotels/live_end.html", {"replies": replies, "cheapest": cheapest_first(replies)[:1]})
        yield foot

    return StreamingHttpResponse(pieces())


def reply(outcome: http.Outcome[str]) -> Reply:
    """What a person is told of a call."""
    offers, problem = read(outcome)
    return Reply(BY_NAME[outcome.key], 0.0, outcome.elapsed * 1000, offers, problem)


def read(outcome: http.Outcome[str]) -> tuple[list[dict], str]:
    """The offers of an answer, or what is wrong with it."""
    if outcome.status is http.Status.OK:
        try:
            return list(outcome.value["offers"]), ""
        except (KeyError, TypeError):
            return [], "answered with something that is not a list of offers"
    error = outcome.error
    if isinstance(error, http.HTTPStatusError):
        status, pause = error.response.status_code, error.response.headers.get("retry-after")
        if status == 429:
            return [], f"asks for a pause of {pause} s (429)" if pause else "asks for a pause (429)"
        return [], f"is out of order ({status})"
    if isinstance(error, http.TimeoutException):
        return [], "did not answer in time"
    if isinstance(error, http.DecodingError):
        return [], "answered with something that is not a list of offers"
    if outcome.status is http.Status.SKIPPED or error is None or isinstance(error, http.RequestCancelled):
        return [], NOT_WAITED_FOR
    return [], "could not be reached"
