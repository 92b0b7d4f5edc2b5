"""What a person asked for, out of a URL; and where a browser on a tour of the ways goes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import HttpResponseRedirect
from django.urls import reverse

MOST_NIGHTS = 30


@dataclass(frozen=True)
class Way:
    """One of the nine; `name` is that of its URL."""

    name: str
    title: str
    kind: str
    tool: str
    text: str


# Those that can be compared, in the order of the tour.
WAYS = {
    way.name: way
    for way in (
        Way(
            "one-after-another", "One after another", "sync", "requests", "A plain view: it calls each site and waits."
        ),
        Way(
            "thread-pool",
            "A thread per call",
            "sync",
            "requests, threads",
            "A plain view with a ThreadPoolExecutor: all calls go out at once.",
        ),
        Way("gathered", "asyncio.gather", "async", "aiohttp", "An async view: all calls go out at once."),
        Way("adrf", "ADRF AsyncAPIView", "async", "aiohttp", "The same as an async class of ADRF."),
        Way(
            "drf",
            "DRF APIView",
            "sync",
            "requests",
            "A class of Django REST framework: it calls one site after another.",
        ),
        Way(
            "http-gather",
            "http.gather",
            "sync",
            "turnout.http",
            "A plain view: all calls go out at once, and none needs a thread.",
        ),
        Way(
            "http-agather",
            "http.agather",
            "async",
            "turnout.http",
            "An async view: six of eight sites are enough, and the others get a moment more.",
        ),
    )
}

# Those that pass on what the sites say instead of keeping it, so that there is nothing to compare but their time.
PASSING_ON = {
    way.name: way
    for way in (
        Way(
            "http-merged",
            "A lazy merge",
            "async",
            "turnout.http",
            "One list of all offers, sorted by price; none of them becomes a Python object.",
        ),
        Way(
            "http-stream",
            "As they come",
            "async",
            "turnout.http",
            "Each site's offers are sent on when they are there, as JSON or as a piece of a page.",
        ),
    )
}


@dataclass(frozen=True)
class Question:
    """A search. `comparison` and `then` are set on a tour: its token, and the ways still to come."""

    city: str
    nights: int
    comparison: str = ""
    then: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Question:
        """Reads a query string. What makes no sense is a 400."""
        city = query.get("city", "").strip()
        try:
            nights = int(query.get("nights", "1"))
        except ValueError:
            nights = 0
        if not 1 <= len(city) <= 60 or not 1 <= nights <= MOST_NIGHTS:
            raise BadRequest(f"a city and 1 to {MOST_NIGHTS} nights, please: ?city=Lisbon&nights=2")
        then = tuple(way for way in query.get("then", "").split(",") if way)
        if len(then) > len(WAYS) or any(way not in WAYS for way in then):
            raise BadRequest("no such way")
        return cls(city, nights, query.get("comparison", "")[:32], then)

    def next_stop(self) -> HttpResponseRedirect | None:
        """On a tour: to the next way, or to the page that compares them."""
        if not self.comparison:
            return None
        if not self.then:
            return HttpResponseRedirect(reverse("hotels:result", args=[self.comparison]))
        way, *then = self.then
        query = {"city": self.city, "nights": self.nights, "comparison": self.comparison, "then": ",".join(then)}
        return HttpResponseRedirect(f"{reverse(f'hotels:{way}')}?{urlencode(query)}")
