"""`watch`: what the requests of a test spent their time on, and `assert_view`: limits for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any

from turnout._turnout import Witness, accounting
from turnout.testing.limits import KINDS, Watched, counted, judged, limit_of, table
from turnout.times import Times

#: For requests whose answers have come and whose accounts are not closed yet, which takes microseconds; seconds.
PATIENCE = 5.0


@contextmanager
def watch(*, patience: float = PATIENCE) -> Iterator[Views]:
    """Watch the requests that come to turnout in this process meanwhile, to a `LiveServer` that is::

        with watch() as views:
            urlopen(server.url + "/search/")
        views.assert_view("hotels.views.search", p95=0.2, p95_wait_cpu=0.005, max_calls={"db": 3})

    Seen are requests whose head came while it watched, once they have ended. Who asks waits for that, up to `patience`
    seconds.
    """
    witness = Witness()
    try:
        yield Views(witness, patience)
    finally:
        witness.leave()


class Views:
    """The requests that were watched, by view. May be asked while it watches and afterwards."""

    def __init__(self, witness: Witness, patience: float = PATIENCE) -> None:
        self._witness = witness
        self._patience = patience

    def requests(self, view: str | Callable[..., Any] | None = None) -> list[Watched]:
        """Those of one view, or all, in the order in which they ended.

        RuntimeError where turnout accounts for nothing, AssertionError when requests do not end.
        """
        if accounting() is None:
            raise RuntimeError(
                "there is nothing to watch: in this process turnout accounts for no request. Start a "
                "turnout.testing.LiveServer, without accounting='off', and send the requests to its url"
            )
        left = self._witness.wait(self._patience)
        if left:
            raise AssertionError(f"requests that have not ended after {self._patience:g} s: {left}")
        rows, more = self._witness.seen()
        if more:
            raise AssertionError(f"more requests than are kept: {len(rows) + more}; watch fewer at a time")
        seen = [_watched(*row) for row in rows]
        return seen if view is None else [one for one in seen if one.view == name_of(view)]

    def assert_view(
        self,
        view: str | Callable[..., Any],
        /,
        *,
        max_calls: Mapping[str, int] | None = None,
        max_failed: int = 0,
        **limits: float,
    ) -> None:
        """Hold the requests of a view against limits; AssertionError tells the measured values and the states.

        A view is named as in `turnout top` ("hotels.views.search"), or is the function or class itself. Limits are
        seconds and may be reached: `p95`, `p50`, `mean`, `max` of the whole time; `p95_processing`, `p95_wait_cpu`,
        `max_wait_io`, `p95_db` and so on of a part; `processing` and other parts alone: of every request. `io_share`,
        `wait_cpu_share` and `processing_share` are parts (0 to 1) of all time. `max_calls`: so many of each kind in one
        request. `max_failed`: requests that may be answered with 500 or above. docs/guide/testing.md has the list.

        TypeError and ValueError for a limit that makes no sense, RuntimeError where turnout accounts for nothing.
        """
        wanted = [limit_of(name, most) for name, most in limits.items()]
        kinds = {kind: _count(f"max_calls[{kind!r}]", most) for kind, most in (max_calls or {}).items()}
        for kind in kinds:
            if kind not in KINDS:
                raise TypeError(f"max_calls has no kind {kind!r}: there are {', '.join(KINDS)}")
        _count("max_failed", max_failed)
        name = name_of(view)
        requests = self._of(name)
        rows = [judged(limit, requests) for limit in wanted]
        rows += [
            counted(f'max_calls["{kind}"]', max(one.calls.get(kind, 0) for one in requests), most)
            for kind, most in kinds.items()
        ]
        failed = counted("max_failed", sum(one.failed for one in requests), max_failed)
        if failed.over or max_failed:
            rows.append(failed)
        if any(row.over for row in rows):
            raise AssertionError(table(name, rows, requests))

    def _of(self, view: str) -> list[Watched]:
        seen = self.requests()
        requests = [one for one in seen if one.view == view]
        if requests:
            return requests
        if not seen:
            raise AssertionError(
                f"{view} was not requested, nor was any other view. Only requests over a socket are seen, to the url "
                "of a turnout.testing.LiveServer: Django's test client calls views without a server"
            )
        names = [one.view for one in seen]
        others = "".join(f"\n  {name} ({names.count(name)})" for name in sorted(set(names)))
        nearest = get_close_matches(view, set(names), 1, 0.6)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        raise AssertionError(f"{view} was not requested.{hint} Views that were, and how often:{others}")


def name_of(view: str | Callable[..., Any]) -> str:
    """The name that Django gives to a view, and turnout to its figures."""
    if isinstance(view, str):
        return view
    while isinstance(view, partial):
        view = view.func
    view = getattr(view, "view_class", view)
    named = view if hasattr(view, "__name__") else type(view)
    return f"{named.__module__}.{named.__name__}"


def _count(name: str, most: object) -> int:
    if isinstance(most, bool) or not isinstance(most, int):
        raise TypeError(f"{name} must be a number of them, not {most!r}")
    if most < 0:
        raise ValueError(f"{name} must not be negative: {most!r}")
    return most


def _watched(view: str, status: int, parts: list[float], kinds: list[tuple[int, float]]) -> Watched:
    found = [(kind, calls, seconds) for kind, (calls, seconds) in zip(KINDS, kinds, strict=True) if calls]
    waits = {kind: seconds for kind, _, seconds in found}
    return Watched(view, status, Times(*parts), waits, {kind: calls for kind, calls, _ in found})
