"""The outcomes of many calls, one by one as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import perf_counter
from types import TracebackType
from typing import Any, Generic, TypeVar
from weakref import ref

from turnout._turnout import HttpCompleted
from turnout.http.gathered import Fallback, with_fallback
from turnout.http.outcomes import Outcome

K = TypeVar("K")

#: As long as one slice of a large value (crates/turnout-py/src/http/json/slice.rs).
_TURN_SECONDS = 0.0005
#: A view has read what it wanted by then.
_SETTLED_AFTER = 0.25


async def finish(outcome: Any) -> None:
    """Make the objects of a large value in slices, while the loop turns."""
    await finish_all([outcome])


async def finish_all(outcomes: Iterable[Any]) -> None:
    """The same for those of a gather: many values that are each made within one slice are not made in one turn."""
    began = perf_counter()
    large = []
    for outcome in outcomes:
        steps = outcome._steps()
        if steps is None:
            continue
        if perf_counter() - began > _TURN_SECONDS:
            await asyncio.sleep(0)
            began = perf_counter()
        outcome._made(await steps, steps)
        large.append(ref(outcome))
    if large:
        # Until then most are gone. What is not may be part of a cycle by then: the garbage collector has to see it.
        asyncio.get_running_loop().call_later(_SETTLED_AFTER, _settle, large)


def _settle(outcomes: list[ref[Any]]) -> None:
    for known in outcomes:
        outcome = known()
        if outcome is not None:
            outcome._settle()


class AsCompleted(Generic[K]):
    """For ``for`` and ``async for``; as a ``with`` or ``async with`` block it gives up the rest where it is left."""

    __slots__ = ("_fallback", "_native")

    def __init__(self, native: HttpCompleted, fallback: Fallback[K] | None) -> None:
        self._native = native
        self._fallback = fallback

    def __iter__(self) -> AsCompleted[K]:
        return self

    def __next__(self) -> Outcome[K]:
        return self._with_fallback(next(self._native))

    def __aiter__(self) -> AsCompleted[K]:
        return self

    async def __anext__(self) -> Outcome[K]:
        outcome = await self._native.__anext__()
        await finish(outcome)
        return self._with_fallback(outcome)

    def __enter__(self) -> AsCompleted[K]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsCompleted[K]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is still under way."""
        self._native.close()

    async def aclose(self) -> None:
        """The same, as async generators have it."""
        self.close()

    def _with_fallback(self, outcome: Outcome[K]) -> Outcome[Any]:
        if outcome.ok or self._fallback is None:
            return outcome
        return with_fallback(outcome, self._fallback)
