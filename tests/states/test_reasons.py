"""What a thread waits for where no call says so is seen by looking, and what a call says is not told twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from harness import Serving
from states_site import ended, figures, served
from upstreams import slow_upstream
from wire import get


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with slow_upstream(0.04) as url:
        yield url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    database = tmp_path_factory.mktemp("reasons") / "kept.sqlite3"
    yield from served(STATES_DATABASE=str(database))


def spots(site: Serving, view: str) -> dict[tuple[str, str], tuple[int, float]]:
    """Kind and address; looks or calls, and seconds."""
    found = figures(site)["addresses"]
    return {
        (kind, address): (count, spent / 1e9)
        for name, kind, address, _, count, spent, _ in found
        if name == f"states_urls.{view}"
    }


@pytest.mark.parametrize(
    ("view", "kind"),
    [("waits", "sleep"), ("waits_for_lock", "lock"), ("reads_from_upstream", "socket"), ("hops", "sleep")],
)
def test_what_a_thread_waits_for_is_seen(site, upstream, view, kind):
    """On a busy machine a look may come late, and it is seen in the next request."""
    until = time.monotonic() + 30
    requests = 0
    seen: dict[tuple[str, str], tuple[int, float]] = {}
    while not seen:
        assert time.monotonic() < until, "never seen"
        assert get(site.url, f"/{view}/?upstream={upstream}").status == 200
        requests += 1
        ended(site, view, requests)
        seen = spots(site, view)
    address = upstream.removeprefix("http://").rstrip("/") if kind == "socket" else kind
    looks, seconds = seen[kind, address]
    assert looks >= 1
    assert 0 < seconds <= looks * 0.02


def test_what_a_call_says_is_not_told_twice(site, upstream):
    for view in ["queries", "calls"]:
        for _ in range(5):
            assert get(site.url, f"/{view}/?upstream={upstream}").status == 200
        ended(site, view, 5)
    # The wait is within the database, and so is that of the thread whose call is on the loop.
    assert {kind for kind, _ in spots(site, "queries")} == {"db"}
    assert {kind for kind, _ in spots(site, "calls")} <= {"http", "lock"}
    assert spots(site, "calls").get(("lock", "lock"), (0, 0.0))[1] < 0.05
