"""Slow requests, what views wait for, neighbours and findings, in the shape of the admin socket's JSON."""

from __future__ import annotations

import random
from typing import Any

from dashboard.figures import HOSTILE, View, shares

ADDRESSES = {
    "calls an API": [
        ("http", "rates.example.com:443"),
        ("http", "booking.example.net:443"),
        ("cache", "10.0.0.9:6379"),
    ],
    "computes": [("cache", "10.0.0.9:6379")],
    "reads the database": [("db", "10.0.0.5:5432"), ("db", "10.0.0.5:5432"), ("cache", "10.0.0.9:6379")],
    "waits for a thread": [("db", "10.0.0.5:5432"), ("http", "payments.example.com:443")],
    "streams": [("db", "/run/postgresql/.s.PGSQL.5432")],
    "is quick": [],
}


def site(view: View, line: int) -> str | None:
    """A place in the code of that view; now and then it is not known."""
    if view.name in HOSTILE:
        return f"{view.name}.py:{line} {view.name}"
    package, _, function = view.name.rpartition(".")
    return f"{package.replace('.', '/')}.py:{line} {function}"


def spots(view: View, totals: dict[str, Any]) -> list[dict[str, Any]]:
    """What it waits for, as on the page of a view."""
    found = []
    for number, (kind, address) in enumerate(ADDRESSES[view.kind]):
        mean = totals["parts"]["io"] * (0.62, 0.21, 0.05)[number]
        found.append(
            {
                "kind": kind,
                "address": view.name if view.name in HOSTILE else address,
                "site": None if kind == "cache" else site(view, 41 + 7 * number),
                "calls": totals["requests"] * (1, 3, 2)[number],
                "mean": round(mean / (1, 3, 2)[number], 3),
                "longest": round(mean * 4.2, 3),
                "share": round(mean / totals["mean"], 6),
            }
        )
    return found


def neighbours(view: View, views: list[View], at: float) -> dict[str, Any]:
    """Who computed while it waited for a processor."""
    beside = [one for one in views if one.kind == "computes" or one is view]
    weights = [one.rate * one.parts(at)["processing"] / 1000 for one in beside]
    told = [
        {"name": one.name, "share": round(weight / sum(weights), 6), "processing": round(weight, 3)}
        for one, weight in sorted(zip(beside, weights, strict=True), key=lambda it: -it[1])
    ]
    cpu = sum(view.parts(at)[part] for part in ("run_queue", "gil", "loop_queue", "no_thread_cpu"))
    return {"cpu": round(view.rate * cpu / 1000, 3), "views": told[:8] if cpu else []}


def requests(views: list[View], at: float) -> list[dict[str, Any]]:
    """Whole, the slowest first: a few of each view."""
    found = []
    for number, view in enumerate(views):
        draw = random.Random(number)
        for place in range(4):
            began = at - 3 - 29 * place - number
            one = request(view, draw, began)
            found.append({**one, "id": f"{int(began * 1e9):016x}", "worker": place % 2 + 1, "gone": place == 3})
    return sorted(found, key=lambda one: -one["wall"])


def request(view: View, draw: random.Random, began: float) -> dict[str, Any]:
    """One whole: sync views have a call on a thread, the others steps of the loop around their calls."""
    parts = {name: round(ms * draw.uniform(2.2, 4.5), 3) for name, ms in view.parts(began).items()}
    wall = round(sum(parts.values()), 3)
    calls = [
        (kind, address, site(view, 41 + 7 * number) if kind != "cache" else None)
        for number, (kind, address) in enumerate(ADDRESSES[view.kind])
    ]
    on_threads = view.kind in ("computes", "reads the database", "waits for a thread")
    waits, at = [], wall * 0.18
    for number, (kind, address, place) in enumerate(calls):
        took = parts["io"] * (0.55, 0.3, 0.1)[number]
        # Those of an async view go out together.
        waits.append(
            {
                "kind": kind,
                "address": view.name if view.name in HOSTILE else address,
                "site": place,
                "began": round(at, 3),
                "ended": round(at + took, 3),
            }
        )
        at += took * 1.02 if on_threads else wall * 0.005
    spans = [stretch(None, 0, 0.01 * wall, 0.04 * wall, 0.3, 0.1)]
    if on_threads:
        spans.append(stretch(21_734, 0.04 * wall, 0.14 * wall, 0.97 * wall, *inside(parts)))
    else:
        for number in range(9):
            from_ = wall * (0.09 + 0.095 * number)
            spans.append(stretch(None, from_ - wall * 0.012 * (number % 3), from_, from_ + wall * 0.024, 0.1, 0.0))
    spans.append(stretch(None, 0.97 * wall, 0.975 * wall, wall, 0.2, 0.0))
    return {
        "version": 1,
        "time": began + 40,
        "view": view.name,
        "process": 4711,
        "began": began,
        "status": None if view.name in HOSTILE else 502 if draw.random() < 0.1 else 200,
        "wall": wall,
        "shares": shares(parts),
        "calls": len(waits),
        "parts": parts,
        "more_waits": False,
        "waits": waits,
        "spans": spans,
        "dropped": 312 if view.kind == "streams" else 0,
    }


def inside(parts: dict[str, float]) -> tuple[float, float]:
    """What of a thread's call was Waiting for CPU and for I/O."""
    whole = parts["processing"] + parts["run_queue"] + parts["gil"] + parts["io"]
    return (parts["run_queue"] + parts["gil"]) / whole, parts["io"] / whole


def stretch(thread: int | None, ready: float, began: float, ended: float, cpu: float, io: float) -> dict[str, Any]:
    took = ended - began
    states = {"processing": took * (1 - cpu - io), "cpu": took * cpu, "io": took * io}
    times = {"ready": ready, "began": began, "ended": ended, **states}
    return {"thread": thread, **{name: round(ms, 3) for name, ms in times.items()}}


def findings(at: float) -> list[dict[str, Any]]:
    """One of each kind, and one whose texts are hostile; the newest first."""
    told = [
        (
            "blocked-loop",
            ("hotels.views.search", "", "hotels/views.py:41 search", "10.0.0.5:5432"),
            (17, 183.2, 41.0, 0),
            "hotels.views.search blocked the event loop for 41.0 ms (worst 183.2 ms), 17 times, at "
            "hotels/views.py:41 search: it waited for 10.0.0.5:5432.",
            "Await it, or move the call to a thread with sync_to_async.",
        ),
        (
            "hungry-neighbour",
            ("reports.views.monthly", "hotels.api.prices", "", ""),
            (34, 88.0, 31.5, 870),
            "reports.views.monthly used 0.87 of a processor, and each request of hotels.api.prices waited 31.5 ms for "
            "CPU meanwhile (worst second 88.0 ms), for 34 s.",
            "Do less in it, cache what it makes, or serve it from workers of its own.",
        ),
        (
            "in-sequence",
            ("hotels.api.prices", "", "hotels/api.py:88 prices", "rates.example.com:443"),
            (412, 240.0, 96.0, 5),
            "hotels.api.prices made 5 calls to upstreams one after another, 412 times: together they would have taken "
            "96.0 ms less (at best 240.0 ms).",
            "Send them at once with turnout.http's gather, if none needs the answer of another.",
        ),
        (
            "kept-thread",
            ("accounts.views.profile", "", "", "shop.middleware.AuditMiddleware"),
            (2210, 95.0, 22.0, 0),
            "Requests of accounts.views.profile kept a thread for 22.0 ms (worst 95.0 ms), because of "
            "shop.middleware.AuditMiddleware.",
            "Write the middleware for async too (sync_and_async_middleware).",
        ),
        (
            "too-few-threads",
            ("shop.views.checkout", "", "", ""),
            (58, 410.0, 120.0, 22),
            "All 12 threads were taken, and requests of shop.views.checkout were in line for 120.0 ms (worst second "
            "410.0 ms), for 58 s.",
            "22 threads would do: --threads 22.",
        ),
        (
            "gil-convoy",
            ("", "", "", ""),
            (12, 4.9, 2.7, 340),
            "Threads waited 2.7 ms for the GIL at a time (worst second 4.9 ms), up to 340 times a second, for 12 s.",
            "More workers help, more threads do not.",
        ),
        (
            HOSTILE[0],
            (HOSTILE[0], HOSTILE[3], HOSTILE[1], HOSTILE[6]),
            (1, None, None, 0),
            f"{HOSTILE[0]} did {HOSTILE[6]} at {HOSTILE[4]}.",
            f"Do not {HOSTILE[1]}.",
        ),
    ]
    found = []
    for number, (kind, (view, other, place, what), (count, worst, typical, most), text, advice) in enumerate(told):
        found.append(
            {
                "id": f"{number:016x}",
                "kind": kind,
                "view": view,
                "other_view": other,
                "place": place,
                "what": what,
                "count": count,
                "first": at - 3600 - number,
                "last": at - 1 - 21 * number,
                "worst": worst,
                "typical": typical,
                "number": most,
                "active": number < 3,
                "text": text,
                "advice": advice,
            }
        )
    return found
