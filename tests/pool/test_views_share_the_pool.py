"""No view takes all threads of the sync pool while others are in demand (docs/decisions/0020)."""

import re
from pathlib import Path

import pytest
from harness import serve
from wire import Later, get

SITE = Path(__file__).parents[1] / "projects" / "requests_site"
THREADS = 16


@pytest.fixture
def server():
    with serve(["shown.wsgi:application", "--threads", str(THREADS)], cwd=SITE) as server:
        yield server


def holders(server):
    """The threads whose request waits to be released."""
    return re.findall(r"^holds (\S+)$", server.log, re.MULTILINE)


def release_all(server, held):
    released = 0
    while not all(each.done for each in held):
        for thread in holders(server)[released:]:
            get(server.url, f"/special/release?thread={thread}")
            released += 1
    return [each.result().status for each in held]


def test_a_view_that_waits_leaves_a_thread_to_the_others(server):
    assert get(server.url, "/special/busy").status == 200
    held = [Later(get, server.url, "/special/hold") for _ in range(3 * THREADS)]
    answered = 0
    # The other view stays in demand, and is answered all the time.
    while len(holders(server)) < THREADS - 1 or answered < 100:
        assert get(server.url, "/special/busy").status == 200
        answered += 1
    assert len(holders(server)) == THREADS - 1
    assert release_all(server, held) == [200] * len(held)


def test_a_view_that_nobody_else_competes_with_has_all_threads(server):
    held = [Later(get, server.url, "/special/hold") for _ in range(THREADS)]
    server.wait_for_log("holds ", times=THREADS)
    assert release_all(server, held) == [200] * len(held)
