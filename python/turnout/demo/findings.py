"""The table, and what it says in plain words. A sentence that the figures do not bear is not said."""

from __future__ import annotations

import textwrap

from turnout.demo.measure import Figures

FANNED_OUT = ("thread-pool", "gathered", "adrf")
# Differences below this are noise.
CLEARLY = 1.25
WIDTH = 100


def table(figures: dict[str, Figures], titles: dict[str, str], at_once: int, *, bold: bool = False) -> str:
    """The figures of all ways, aligned."""
    head = ("", "alone", f"{at_once} at once", "threads*", "memory")
    rows = [
        (titles[way], f"{it.alone_ms:,.0f} ms", f"{it.crowd_ms:,.0f} ms", str(it.threads), f"{it.memory_mb:,.0f} MB")
        for way, it in figures.items()
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        first, *rest = (
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "   ".join((first, *rest)).rstrip()

    top = line(head)
    rule = "─" * len(top)
    return "\n".join(
        (
            f"\033[1m{top}\033[0m" if bold else top,
            rule,
            *(line(row) for row in rows),
            rule,
            f"* that the server needs for {at_once} at once, beyond those at rest; counted when the most calls are out",
            "",
        )
    )


def conclusions(figures: dict[str, Figures], at_once: int) -> list[str]:
    """What the figures say."""
    slow, pool, gathered, adrf = (figures[way] for way in ("one-after-another", "thread-pool", "gathered", "adrf"))
    lines = []
    together = max(figures[way].alone_ms for way in FANNED_OUT)
    if slow.alone_ms > together * CLEARLY:
        lines.append(
            f"Fan-out saves time: with eight calls out together a search took {together:,.0f} ms at most instead of "
            f"{slow.alone_ms:,.0f} ms, {slow.alone_ms / together:.1f} times as fast, on threads or on the event loop."
        )
    if slow.threads > gathered.threads * CLEARLY:
        lines.append(
            f"Async saves threads: for {at_once} at once a thread per call needed {pool.threads}, "
            f"one thread per search {slow.threads}, async {gathered.threads or 'none'}."
        )
    inside = figures["http-gather"]
    if inside.threads * CLEARLY < pool.threads and inside.alone_ms * CLEARLY < slow.alone_ms:
        lines.append(
            f"A sync view fans out too: http.gather took {inside.alone_ms:,.0f} ms alone and {inside.crowd_ms:,.0f} ms "
            f"in the crowd, with {inside.threads} threads instead of {pool.threads}."
        )
    quorum, everybody = figures["http-agather"], figures["http-stream"]
    if quorum.crowd_ms * CLEARLY < gathered.crowd_ms:
        quicker = gathered.crowd_ms / quorum.crowd_ms
        lines.append(
            f"In the crowd http.agather, content with six sites, was done {quicker:.1f} times as fast as "
            "asyncio.gather with aiohttp."
        )
    if everybody.crowd_ms * CLEARLY < gathered.crowd_ms:
        lines.append(
            f"Offers sent on as they came needed {everybody.crowd_ms:,.0f} ms for {at_once} searches, all sites'; "
            f"gathered with aiohttp {gathered.crowd_ms:,.0f} ms."
        )
    if adrf.threads > max(gathered.threads, 1) * CLEARLY:
        lines.append(
            f"ADRF needed {adrf.threads}: its AsyncAPIView makes DRF's checks on a thread before the view runs, "
            "where they may block."
        )
    if pool.memory_mb > gathered.memory_mb * 1.05:
        lines.append(
            f"Threads are memory: {pool.memory_mb:,.0f} MB with one per call, {gathered.memory_mb:,.0f} MB with async."
        )
    if slow.crowd_ms > gathered.crowd_ms * CLEARLY:
        quicker = slow.crowd_ms / gathered.crowd_ms
        line = (
            f"In the crowd of {at_once} the async view was done {quicker:.1f} times as fast as one call after another"
        )
        if pool.crowd_ms > slow.crowd_ms * 0.9:
            line += ", and a thread per call was no help: so many threads stand in each other's way"
        lines.append(line + ".")
    return [textwrap.fill(line, width=WIDTH, initial_indent="- ", subsequent_indent="  ") for line in lines]
