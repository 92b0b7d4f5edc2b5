"""What the result page shows: figures turned into bars and sentences."""

from __future__ import annotations

import inspect
from functools import cached_property

from .models import Search
from .question import WAYS
from .upstreams import NOT_WAITED_FOR

# Pips beyond this many say "and more" instead.
MOST_PIPS = 20


class Row:
    """One way in the comparison. `scale_ms` is the longest of all, so that the bars of all ways can be compared."""

    def __init__(self, search: Search, scale_ms: float) -> None:
        self.search = search
        self.way = WAYS[search.way]
        self.calls = [
            {
                **upstream,
                "left": round(100 * upstream["began_ms"] / scale_ms, 2),
                "width": max(round(100 * upstream["took_ms"] / scale_ms, 2), 0.5),
            }
            for upstream in search.upstreams
        ]
        self.end = round(100 * search.took_ms / scale_ms, 2)
        self.pips = range(min(search.threads, MOST_PIPS))
        self.more_pips = search.threads > MOST_PIPS
        self.answered = len(search.upstreams) - len(search.missing)

    @property
    def source(self) -> str:
        """The code of the view."""
        from . import ways, with_turnout

        found = {
            "one-after-another": ways.one_after_another,
            "thread-pool": ways.thread_pool,
            "gathered": ways.gathered,
            "adrf": ways.AdrfSearch,
            "drf": ways.DrfSearch,
            "http-gather": with_turnout.gather,
            "http-agather": with_turnout.agather,
        }
        return inspect.getsource(found[self.way.name])


class Report:
    """The findings of one tour."""

    def __init__(self, searches: list[Search]) -> None:
        scale = max(max(search.took_ms for search in searches), 1.0)
        self.rows = [Row(search, scale) for search in searches]
        self.scale_ms = scale
        # The offers of the search that heard from most sites; of the first among equals.
        self.shown = max(searches, key=lambda search: len(search.upstreams) - len(search.missing))
        self.city, self.nights = self.shown.city, self.shown.nights

    @cached_property
    def none_reached(self) -> bool:
        return all(upstream["problem"] == "could not be reached" for upstream in self.shown.upstreams)

    @cached_property
    def compared(self) -> bool:
        return len(self.rows) > 1

    @cached_property
    def findings(self) -> list[tuple[str, str]]:
        """A claim and its figures, in plain words; only what these figures say."""
        by_way = {row.way.name: row.search for row in self.rows}
        slow, pool, gathered = (by_way.get(way) for way in ("one-after-another", "thread-pool", "gathered"))
        if self.none_reached or not (slow and pool and gathered):
            return []
        together = min(pool.took_ms, gathered.took_ms)
        found = []
        if together < slow.took_ms:
            found.append(
                (
                    "Fan-out saves time.",
                    f"All calls out together took {together:.0f} ms instead of {slow.took_ms:.0f} ms, "
                    f"{slow.took_ms / together:.1f} times as fast, on threads or on the event loop.",
                )
            )
        if gathered.threads < pool.threads:
            found.append(
                (
                    "Async saves threads.",
                    f"While the calls were out the pool kept {_threads(pool.threads)} waiting, "
                    f"the async view {_threads(gathered.threads)}.",
                )
            )
        elif gathered.threads:
            found.append(
                ("Async saved no threads here.", f"The async view kept {_threads(gathered.threads)} all the same.")
            )
        inside, quorum = by_way.get("http-gather"), by_way.get("http-agather")
        if inside and inside.threads < pool.threads and inside.took_ms < slow.took_ms:
            found.append(
                (
                    "A sync view fans out too.",
                    f"http.gather took {inside.took_ms:.0f} ms and kept {_threads(inside.threads)}; "
                    "its calls need none.",
                )
            )
        if quorum and quorum.took_ms < together and any(one["problem"] == NOT_WAITED_FOR for one in quorum.upstreams):
            heard = len(quorum.upstreams) - len(quorum.missing)
            found.append(
                (
                    "Enough is enough.",
                    f"http.agather was done after {quorum.took_ms:.0f} ms, with {heard} sites' offers.",
                )
            )
        return found


def _threads(count: int) -> str:
    return "none" if count == 0 else "one thread" if count == 1 else f"{count} threads"
