"""The sync pool grows for work that waits, not for work that computes, and bounds what it takes (DESIGN section 6)."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import serve

PLAIN = Path(__file__).parents[1] / "projects" / "plain"


def get(server, path):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if response.status == 200 else dict(response.getheaders())


def at_once(server, count, path):
    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(lambda _: get(server, path), range(count)))


def threads(server):
    return get(server, "/threads")[1]


@pytest.fixture
def server():
    with serve(["pool_app:app"], cwd=PLAIN) as server:
        yield server


def test_requests_that_wait_get_a_thread_each(server):
    assert at_once(server, 40, "/meet?parties=40") == [(200, None)] * 40
    assert len(threads(server)) >= 40


def test_requests_one_after_another_need_one_thread(server):
    assert {get(server, "/name")[1] for _ in range(50)} == {"turnout-sync-1"}


def test_requests_that_compute_stay_on_few_threads(server):
    assert at_once(server, 40, "/compute?s=0.05") == [(200, None)] * 40
    # 8 may compute, one more is started before the reading shows it; not the 40 that waiting requests would get.
    assert len(threads(server)) <= 12


def test_requests_that_compute_without_the_gil_get_a_thread_each(server):
    assert at_once(server, 6, "/digest?parties=6") == [(200, None)] * 6


def test_the_pool_never_has_more_threads_than_told():
    with serve(["pool_app:app", "--threads", "3"], cwd=PLAIN) as server:
        assert at_once(server, 20, "/wait?s=0.05") == [(200, None)] * 20
        assert len(threads(server)) <= 3


def test_a_request_that_queues_too_long_gets_503_and_the_others_are_served():
    with serve(["pool_app:app", "--threads", "1", "--queue-timeout", "300ms"], cwd=PLAIN) as server:
        outcomes = at_once(server, 4, "/wait?s=1")
        statuses = sorted(status for status, _ in outcomes)
        assert statuses[0] == 200
        assert statuses[-1] == 503
        refused = next(headers for status, headers in outcomes if status == 503)
        assert int({name.lower(): value for name, value in refused.items()}["retry-after"]) >= 1
        assert get(server, "/name")[0] == 200


def test_above_the_in_flight_limit_the_answer_is_503_at_once():
    with serve(["pool_app:app", "--max-in-flight", "5"], cwd=PLAIN) as server:
        statuses = sorted(status for status, _ in at_once(server, 20, "/wait?s=1"))
        assert statuses.count(200) >= 5
        assert statuses.count(503) >= 1
        assert set(statuses) == {200, 503}
        assert get(server, "/name")[0] == 200
