"""What a gather brought: an outcome for each request, in the order in which they were given."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from turnout._turnout import HttpJson, merge_json
from turnout.http import freshness
from turnout.http.encoding import dumps
from turnout.http.errors import HTTPError, RequestCancelled
from turnout.http.outcomes import Outcome, fallen_back, travelling
from turnout.http.status import Status

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

K = TypeVar("K")

#: What `fallback=` takes: values by key, or a function of the key and the error.
Fallback = Mapping[K, Any] | Callable[[K, HTTPError], Any]


class Gathered(Mapping[K, Outcome[K]]):
    """Key -> outcome, in the order of the requests, whichever came first.

    `completion_order` has the keys of those that ended, first to last.
    """

    __slots__ = ("_outcomes", "completion_order")

    def __init__(self, outcomes: Sequence[Outcome[K]], completion_order: Sequence[K] | None = None) -> None:
        self._outcomes = {outcome.key: outcome for outcome in outcomes}
        if completion_order is None:
            ended = [outcome for outcome in outcomes if outcome.status is not Status.SKIPPED]
            completion_order = [outcome.key for outcome in sorted(ended, key=lambda outcome: outcome.elapsed)]
        self.completion_order = tuple(completion_order)

    def __getitem__(self, key: K) -> Outcome[K]:
        return self._outcomes[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        return f"Gathered({', '.join(f'{key!r}: {outcome.status}' for key, outcome in self._outcomes.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Gathered, ([travelling(outcome) for outcome in self._outcomes.values()], self.completion_order)

    @property
    def ok(self) -> dict[K, Any]:
        """The values of those that have one, fallbacks and stale answers included."""
        return {key: outcome.value for key, outcome in self._outcomes.items() if outcome.ok}

    @property
    def errors(self) -> dict[K, HTTPError]:
        """Why the others have none."""
        return {key: _error_of(outcome) for key, outcome in self._outcomes.items() if not outcome.ok}

    @property
    def complete(self) -> bool:
        """Every source answered itself: nothing failed, fell back or is stale."""
        return all(outcome.status is Status.OK for outcome in self._outcomes.values())

    def raise_for_errors(self) -> None:
        """An ExceptionGroup of all errors, if there are any."""
        errors = self.errors
        if errors:
            raise ExceptionGroup(self._what_failed(errors), list(errors.values()))

    def report(self) -> dict[str, dict[str, Any]]:
        """By source what became of it, as JSON; small enough for a response header."""
        return {str(key): _report_of(outcome) for key, outcome in self._outcomes.items()}

    def cache_control(self) -> str:
        """How long an answer made of these may be kept: as long as the first of them; not at all if one is missing."""
        return freshness.of_all(self._outcomes.values())

    def merge(
        self,
        *,
        concat: str | None = None,
        group_as: str | None = None,
        sort_by: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        also: Mapping[str, Any] | None = None,
    ) -> HttpJson:
        """The values of a gather with `decode="lazy"` as one JSON document, made without Python objects.

        With `concat`, ``{concat: [...]}`` of the elements of all; else an object of each source's value under its name.
        `group_as` gives each element a member with its source's name, `sort_by` is a JSON pointer into an element,
        `limit` keeps the first ones, `also` adds members. What has no value is left out; a fallback of Python's is not.
        """
        sources = [(str(key), _lazy(value), None) for key, value in self.ok.items()]
        more = {name: _lazy(value) for name, value in (also or {}).items()}
        return merge_json(
            sources, concat=concat, group_as=group_as, sort_by=sort_by, descending=descending, limit=limit, also=more
        )

    def _what_failed(self, failed: Collection[K]) -> str:
        named = ", ".join(f"{key} ({self._outcomes[key].status})" for key in failed)
        return f"{len(failed)} of {len(self)} sources failed: {named}"


class GatherError(ExceptionGroup[Exception]):
    """A source that the caller cannot do without has failed. `gathered` has what came of all of them."""

    gathered: Gathered[Any]

    def __new__(cls, message: str, errors: Sequence[Exception], gathered: Gathered[Any]) -> GatherError:
        """`message` says which sources are missing."""
        self = super().__new__(cls, message, errors)
        self.gathered = gathered
        return self

    def __init__(self, message: str, errors: Sequence[Exception], gathered: Gathered[Any]) -> None:
        super().__init__(message, errors)

    def derive(self, errors: Sequence[Exception]) -> GatherError:  # type: ignore[override]
        """As `split()` and `subgroup()` want it."""
        return GatherError(self.message, errors, self.gathered)

    def __reduce__(self) -> tuple[Any, ...]:
        return GatherError, (self.message, list(self.exceptions), self.gathered)


def settled(
    outcomes: Sequence[Outcome[K]],
    *,
    require: Collection[K] = (),
    fallback: Fallback[K] | None = None,
    completion_order: Sequence[K] | None = None,
) -> Gathered[K]:
    """What the native half brought, with fallbacks in place; raises where a required source has no answer of its own.

    Called by `gather` and `agather` on the caller's thread: the fallback is Python and may do what it likes there.
    """
    answered = {outcome.key for outcome in outcomes if outcome.ok} if require else set()
    missing = [key for key in require if key not in answered]
    if fallback is not None:
        outcomes = [outcome if outcome.ok else with_fallback(outcome, fallback) for outcome in outcomes]
    gathered = Gathered(outcomes, completion_order)
    if missing:
        errors = [_error_of(gathered[key]) for key in missing]
        raise GatherError(f"required, and failed: {', '.join(map(str, missing))}", errors, gathered)
    return gathered


def with_fallback(outcome: Outcome[K], fallback: Fallback[K]) -> Outcome[K]:
    """The same, or the caller's own value in its place."""
    if callable(fallback):
        value = fallback(outcome.key, _error_of(outcome))
        if inspect.iscoroutine(value):
            value.close()
            raise TypeError("fallback= must be a plain function: gather calls it when all answers are there")
        return fallen_back(outcome, value)
    return fallen_back(outcome, fallback[outcome.key]) if outcome.key in fallback else outcome


def _error_of(outcome: Outcome[Any]) -> HTTPError:
    if outcome.error is not None:
        return outcome.error
    return RequestCancelled(f"{outcome.key} was not waited for: enough others had answered", upstream=str(outcome.key))


def _lazy(value: Any) -> HttpJson:
    return value if isinstance(value, HttpJson) else HttpJson.parse(dumps(value))


def _report_of(outcome: Outcome[Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"status": str(outcome.status), "ms": round(outcome.elapsed * 1000, 1)}
    if outcome.attempts != 1:
        said["attempts"] = outcome.attempts
    said.update({flag: True for flag in ("from_cache", "coalesced", "hedged") if getattr(outcome, flag)})
    if outcome.error is not None:
        said["error"] = type(outcome.error).__name__
    return said
