"""Lively figures in the shape of the admin socket's JSON: sixty views of every make-up, hostile names among them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

#: What a project, or a stranger's URL, may call a view; none of it may become markup, a style or a surprise.
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>document.title='owned'</script>",
    "quotes\"and'apostrophes`.views.%2e%2e%2f?a=b&c=d#e",
    "shop.views.\u202egnp.exe\u202c",
    "a.very.deep." + "package." * 20 + "views.and_a_function_whose_name_does_not_fit_anywhere",
    "emoji.views.🚂🛤️",
    "line\nbreak\tand\x00nul",
    "unbroken" * 40,
    "عربي.views.بحث",
    "__proto__",
]

ORDINARY = {
    "hotels.views.search": "calls an API",
    "hotels.views.offers": "computes",
    "hotels.api.availability": "waits for a thread",
    "hotels.api.prices": "calls an API",
    "accounts.views.login": "computes",
    "accounts.views.profile": "reads the database",
    "shop.views.basket": "reads the database",
    "shop.views.checkout": "waits for a thread",
    "shop.api.recommendations": "computes",
    "reports.views.monthly": "computes",
    "reports.views.export_csv": "streams",
    "search.views.autocomplete": "is quick",
    "media.views.thumbnail": "is quick",
    "feeds.views.events": "streams",
    "django.contrib.admin.sites.index": "reads the database",
}

#: How a request's time divides, by kind of view, in the order of PARTS.
KINDS = {
    "calls an API": (4, 0.3, 0.5, 0.4, 0.0, 0.0, 0.2, 62),
    "computes": (48, 6, 21, 0.0, 4, 0.0, 0.1, 1.2),
    "reads the database": (3.1, 0.4, 1.1, 0.0, 0.1, 0.3, 0.1, 7.5),
    "waits for a thread": (5, 0.6, 2, 0.0, 3, 38, 0.1, 41),
    "streams": (1.2, 0.1, 0.2, 0.9, 0.0, 0.0, 210, 14),
    "is quick": (0.35, 0.02, 0.04, 0.06, 0.0, 0.0, 0.01, 0.02),
}
PARTS = ("processing", "run_queue", "gil", "loop_queue", "no_thread_cpu", "no_thread_io", "client", "io")


@dataclass
class View:
    """One view and its nature."""

    name: str
    kind: str
    rate: float
    scale: float
    phase: float
    random: random.Random = field(repr=False)

    def parts(self, at: float) -> dict[str, float]:
        """Mean milliseconds a request around that moment: it breathes, and computing waits more at the crest."""
        wave = 1 + 0.35 * math.sin(at / 37 + self.phase) + 0.08 * math.sin(at / 5.3 + 2 * self.phase)
        base = dict(zip(PARTS, KINDS[self.kind], strict=True))
        return {
            name: round(ms * self.scale * (wave if name in ("processing", "io", "client") else wave**3), 3)
            for name, ms in base.items()
        }

    def row(self, at: float, seconds: int) -> dict[str, Any]:
        """As in the live table."""
        parts = self.parts(at)
        mean = sum(parts.values())
        rps = self.rate * (1 + 0.2 * math.sin(at / 11 + self.phase))
        return {
            "name": self.name,
            "requests": int(rps * seconds),
            "rps": rps,
            "failed": int(rps * seconds * 0.004) if self.kind == "calls an API" else 0,
            "clamped": 0,
            "p50": mean * 0.82,
            "p95": mean * 1.7,
            "p99": mean * 2.3,
            "mean": mean,
            "seconds_a_minute": rps * 60 * mean / 1000,
            "parts": parts,
            "shares": shares(parts),
            "knee": 1 + waiting(parts) / parts["processing"],
            "trend": [self.trend(at - ago, rps) for ago in range(59, -1, -1)],
        }

    def trend(self, at: float, rps: float) -> list[float]:
        parts = self.parts(at)
        return [round(rps * state / 1000, 5) for state in states(parts)]

    def page(self, at: float, seconds: int) -> dict[str, Any]:
        """As for the page of one view."""
        step = 5 if seconds > 60 else 1
        times = [at - ago for ago in range(seconds - step, -1, -step)]
        series: dict[str, Any] = {"step": step, "time": times, "rps": [], "p95": []}
        columns: dict[str, list[float | None]] = {"processing": [], "cpu": [], "io": []}
        for number, time in enumerate(times):
            quiet = 20 < number < 26
            parts = self.parts(time)
            for name, state in zip(columns, states(parts), strict=True):
                columns[name].append(None if quiet else state)
            series["rps"].append(0.0 if quiet else self.rate)
            series["p95"].append(None if quiet else sum(parts.values()) * 1.7)
        totals = self.row(at, seconds)
        return {
            "name": self.name,
            "seconds": seconds,
            "totals": totals,
            "series": series | columns,
            "bins": list(bins(totals)),
        }


def period(view: View, start: float, end: float, step: int, since: float, slower: float) -> dict[str, Any]:
    """What a history has of a view, if it began at ``since`` and requests took ``slower`` times as long."""
    times = list(range(int(start // step * step), math.ceil(end / step) * step, step))
    series: dict[str, Any] = {name: [] for name in ("rps", "processing", "cpu", "io", "p50", "p95")}
    counted = []
    for time in times:
        if time + step <= since:
            for column in series.values():
                column.append(None)
            continue
        # A day has its crest, and so has each of its hours.
        daily = 1.15 + 0.45 * math.sin((time % 86400) / 86400 * 6.28 + view.phase)
        parts = {name: ms * slower * daily for name, ms in view.parts(time / 60).items()}
        counted.append((view.rate * daily, parts))
        mean = sum(parts.values())
        figures = (view.rate * daily, *states(parts), mean * 0.82, mean * 1.7)
        for column, figure in zip(series.values(), figures, strict=True):
            column.append(round(figure, 3))
    return {
        "from": times[0],
        "to": times[-1] + step,
        "covered": len(counted) * step,
        "totals": totals_of(counted, step),
        "series": {"time": times, **series},
    }


def totals_of(counted: list[tuple[float, dict[str, float]]], step: int) -> dict[str, Any]:
    rate = sum(rate for rate, _ in counted)
    parts = {name: sum(rate * parts[name] for rate, parts in counted) / (rate or 1) for name in PARTS}
    mean = sum(parts.values())
    there = bool(counted)
    return {
        "requests": int(rate * step),
        "failed": int(rate * step * 0.004),
        "rps": rate / len(counted) if there else None,
        "p50": mean * 0.82 if there else None,
        "p95": mean * 1.7 if there else None,
        "p99": mean * 2.3 if there else None,
        "mean": mean if there else None,
        "parts": parts,
        "shares": shares(parts) if there else {"processing": 1.0, "cpu": 0.0, "io": 0.0},
    }


def bins(totals: dict[str, Any]) -> Any:
    """Log-linear bins of two digits around the mean; the slow ones wait more."""
    mean, share = totals["mean"], totals["shares"]
    width = 10 ** (math.floor(math.log10(mean)) - 1)
    start = max(width, round(mean * 0.35 / width) * width)
    for low in (start + n * width for n in range(int(mean * 2.2 / width))):
        at = low / mean
        requests = int(totals["requests"] * 0.06 * math.exp(-((math.log(at / 0.85) / 0.42) ** 2)))
        states = [share["processing"] / (0.4 + 0.6 * at), share["cpu"] * (0.3 + 0.7 * at), share["io"]]
        processing, cpu, io = (state / sum(states) for state in states)
        yield {"from": low, "to": low + width, "requests": requests, "processing": processing, "cpu": cpu, "io": io}


def states(parts: dict[str, float]) -> tuple[float, float, float]:
    cpu = sum(parts[name] for name in ("run_queue", "gil", "loop_queue", "no_thread_cpu"))
    return parts["processing"], cpu, waiting(parts)


def waiting(parts: dict[str, float]) -> float:
    return parts["no_thread_io"] + parts["client"] + parts["io"]


def shares(parts: dict[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    return {name: state / whole for name, state in zip(("processing", "cpu", "io"), states(parts), strict=True)}


def views(seed: int = 7) -> list[View]:
    """Sixty: the ordinary, the hostile, and what a large project has besides."""
    draw = random.Random(seed)
    names = [*ORDINARY, *HOSTILE]
    names += [f"site.part{n:02}.views.page_{n}" for n in range(60 - len(names))]
    kinds = list(KINDS)
    return [
        View(
            name,
            ORDINARY.get(name, kinds[n % len(kinds)]),
            draw.lognormvariate(1.2, 1.1),
            draw.uniform(0.6, 1.9),
            draw.uniform(0, 6.28),
            draw,
        )
        for n, name in enumerate(names)
    ]


def worker(index: int, at: float, began: float) -> dict[str, Any]:
    """One that serves."""
    wave = math.sin(at / 13 + index)
    return {
        "number": index + 1,
        "process": 4711 + index,
        "began": began,
        "written": at,
        "state": "serving",
        "blocked_for": 0.0,
        "in_flight": 14 + int(6 * wave) + index,
        "threads": 12,
        "threads_busy": 7 + int(3 * wave),
        "threads_most": 64,
        "queued": 0,
        "loop_utilisation": 0.31 + 0.1 * wave,
        "loop_queue": 0.8 + 0.4 * wave,
        "overhead": 0.02,
        "gil_utilisation": 0.42 + 0.15 * wave,
        "gil_switches": 812.0 + 200 * wave,
        "cpu": 0.55 + 0.2 * wave,
        "memory": 73_400_320 + int(4e6 * wave),
        "accounting": ["cpu exact", "run queue exact", "gil exact", "loop exact"],
    }
