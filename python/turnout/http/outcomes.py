"""One call of a gather as its caller sees it. The native half makes them; here are their face and the plain ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from turnout.http.status import Status
from turnout.http.summaries import summary_of_response

if TYPE_CHECKING:
    from turnout._turnout import HttpResponse
    from turnout.http.errors import HTTPError
    from turnout.http.timings import Timings

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)


@runtime_checkable
class Outcome(Protocol[K_co]):
    """What became of one source. It has a `value` if it is `ok`, else an `error`; a fallback has both."""

    @property
    def key(self) -> K_co:
        """Under which the request was given; of a list, its index."""
        ...

    @property
    def ok(self) -> bool:
        """There is a value: an answer, an old one, or a fallback."""
        ...

    @property
    def status(self) -> Status:
        """In one word."""
        ...

    @property
    def value(self) -> Any:
        """The body as `decode=` and `select=` want it, or the fallback."""
        ...

    @property
    def response(self) -> HttpResponse | None:
        """The response, if there was one: also of a status that is an error."""
        ...

    @property
    def error(self) -> HTTPError | None:
        """Why there is no answer."""
        ...

    @property
    def elapsed(self) -> float:
        """Seconds from the gather's start to this one's end."""
        ...

    @property
    def timings(self) -> Timings | None:
        """Where they went."""
        ...

    @property
    def attempts(self) -> int:
        """How many it took; 0 from the cache, or when nothing was sent."""
        ...

    @property
    def from_cache(self) -> bool:
        """Answered without a call."""
        ...

    @property
    def stale(self) -> bool:
        """From the cache although it was old, because the upstream failed."""
        ...

    @property
    def coalesced(self) -> bool:
        """Another call's answer, shared."""
        ...

    @property
    def hedged(self) -> bool:
        """A hedge won."""
        ...


@dataclass(frozen=True)
class PlainOutcome(Generic[K]):
    """An outcome that Python made: a fallback, or one that came out of a pickle."""

    key: K
    status: Status
    value: Any = None
    response: Any = field(default=None, repr=False)
    error: HTTPError | None = None
    elapsed: float = 0.0
    timings: Timings | None = field(default=None, repr=False)
    attempts: int = 0
    from_cache: bool = False
    coalesced: bool = False
    hedged: bool = False

    @property
    def ok(self) -> bool:
        """There is a value."""
        return self.status.has_value

    @property
    def stale(self) -> bool:
        """It is an old answer."""
        return self.status is Status.STALE


def fallen_back(outcome: Outcome[K], value: Any) -> PlainOutcome[K]:
    """The same with a value of the caller's own. The error stays: it says why."""
    return _plain(outcome, Status.FALLBACK, value, outcome.response)


def travelling(outcome: Outcome[K]) -> PlainOutcome[K]:
    """The same for a pickle: the response as a summary, and no value that lives in the native half."""
    return _plain(outcome, outcome.status, _portable(outcome.value), summary_of_response(outcome.response))


def _plain(outcome: Outcome[K], status: Status, value: Any, response: Any) -> PlainOutcome[K]:
    return PlainOutcome(
        outcome.key,
        status,
        value,
        response,
        outcome.error,
        outcome.elapsed,
        outcome.timings,
        outcome.attempts,
        outcome.from_cache,
        outcome.coalesced,
        outcome.hedged,
    )


def _portable(value: Any) -> Any:
    return value if isinstance(value, (dict, list, str, bytes, int, float, type(None))) else None
