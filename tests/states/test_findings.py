"""What somebody should know is noticed while it happens: by which view, where in its code, what it waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from harness import Serving
from states_site import ended, kept, served
from upstreams import slow_upstream
from wire import get


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with slow_upstream(0.04) as url:
        yield url


@pytest.fixture
def site() -> Iterator[Serving]:
    yield from served()


#: Kind, view, place, what, how often, seconds of the worst, a number.
Noticed = tuple[str, str, str, str, int, float, int]


def findings(site: Serving) -> list[Noticed]:
    found = kept(site, "")["findings"]
    print(found)  # what a test that fails shows
    return [
        (kind, view.rpartition(".")[2], place, what, count, worst / 1e9, number)
        for kind, view, place, what, count, worst, number in found
    ]


def asked(site: Serving, view: str, times: int = 1, query: str = "") -> None:
    for _ in range(times):
        assert get(site.url, f"/{view}/{query}").status == 200
    ended(site, view, times)


def asked_until(seen: Callable[[list[Noticed]], bool], site: Serving, view: str, query: str = "") -> list[Noticed]:
    """What is found once that was seen: who looks a hundred times a second may on a busy machine come too late for a
    step or two."""
    for number in range(1, 41):
        assert get(site.url, f"/{view}/{query}").status == 200
        ended(site, view, number)
        found = findings(site)
        if seen(found):
            assert all(count <= number for *_, count, _, _ in found)
            return found
    pytest.fail("never seen in 40 requests")


def with_a_place(found: list[Noticed]) -> list[Noticed]:
    """Without those whose step was over when somebody looked where in the code it is."""
    return [one for one in found if one[2]]


def is_twice_with_a_place(found: list[Noticed]) -> bool:
    return any(count >= 2 for *_, count, _, _ in with_a_place(found))


@pytest.mark.parametrize(
    ("view", "what", "function"),
    [("blocks", "sleep", "wait"), ("blocks_for_lock", "lock", ""), ("blocks_for_upstream", "upstream", "")],
)
def test_a_view_that_blocks_the_loop_is_said_to_with_what_it_waits_for(site, upstream, view, what, function):
    noticed = asked_until(is_twice_with_a_place, site, view, f"?upstream={upstream}")
    [(kind, of, place, found, _, worst, _)] = with_a_place(noticed)
    assert (kind, of) == ("blocked-loop", view)
    assert found == (upstream.removeprefix("http://").rstrip("/") if what == "upstream" else what)
    # Where in the project's code, not where in the library that waits.
    file, _, name = place.partition(" ")
    assert (file.partition(":")[0], name) == ("states_urls.py", function or view)
    assert 0.035 <= worst < 20


def test_a_long_step_is_said_to_compute_once_the_view_has_imported_what_it_needs(site):
    asked(site, "computes_long_on_loop")
    assert findings(site) == []
    noticed = asked_until(is_twice_with_a_place, site, "computes_long_on_loop")
    [(kind, view, place, what, _, worst, _)] = with_a_place(noticed)
    assert (kind, view, what) == ("long-step", "computes_long_on_loop", "")
    file, _, name = place.partition(" ")
    assert (file.partition(":")[0], name) == ("states_urls.py", "compute")
    assert worst >= 0.079


def test_a_step_that_computes_and_then_waits_is_told_with_the_place_of_each(site):
    noticed = asked_until(lambda found: len(with_a_place(found)) >= 2, site, "computes_and_blocks")
    by_kind = {kind: (place.rpartition(" ")[2], what) for kind, _, place, what, *_ in with_a_place(noticed)}
    assert by_kind == {"long-step": ("compute", ""), "blocked-loop": ("wait", "sleep")}


def test_a_request_that_keeps_a_thread_is_told_with_what_makes_it(site):
    asked(site, "leaves_transaction_open", 2)
    [(kind, view, _, what, count, worst, _)] = findings(site)
    assert (kind, view, count) == ("kept-thread", "leaves_transaction_open", 2)
    assert "autocommit is off" in what
    assert worst >= 0.0595


def test_a_sync_only_middleware_keeps_the_threads_of_async_requests():
    for site in served(STATES_SYNC_ONLY="1"):
        asked(site, "sleeps", 2)
        asked(site, "waits")
        [(kind, view, _, what, count, worst, _)] = findings(site)
        # A sync view has its thread anyway.
        assert (kind, view, what, count) == ("kept-thread", "sleeps", "middleware states_urls.SyncOnly", 2)
        assert worst >= 0.0595


def test_calls_that_wait_for_a_connection_are_told_with_their_address(site, upstream):
    asked(site, "calls_through_small_pool", query=f"?upstream={upstream}")
    [(kind, view, place, what, count, worst, _)] = findings(site)
    assert (kind, view, what) == (
        "pool-queue",
        "calls_through_small_pool",
        upstream.removeprefix("http://").rstrip("/"),
    )
    # Two of eight had one at once.
    assert count == 6
    assert worst >= 3 * 0.0395
    assert place.endswith(" calls_through_small_pool")


def test_views_that_do_as_they_should_are_not_spoken_of(site):
    for view in ["sleeps", "waits", "hops", "children", "computes_in_threads", "streams", "streams_from_thread"]:
        for _ in range(3):
            assert get(site.url, f"/{view}/").status == 200
        ended(site, view, 3)
    time.sleep(0.05)  # not to wait for anything: what is found is found by the end of a step
    # Whoever starts a thread waits until it runs, which on a busy machine takes a while.
    started = [("computes_in_threads", "lock")]
    assert [found for found in findings(site) if (found[1], found[3]) not in started] == []


def test_a_server_that_starts_slowly_keeps_nobody_waiting():
    for site in served(STATES_SLOW_START="1"):
        asked(site, "waits")
        assert findings(site) == []


def test_nothing_is_noticed_where_nothing_is_accounted_for():
    for site in served("--accounting", "off"):
        assert get(site.url, "/blocks/").status == 200
        assert json.loads(get(site.url, "/kept/").body)["findings"] == []
