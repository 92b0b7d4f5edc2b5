"""Redis as Django's cache and as the store of sessions: connections are bounded by threads, on both tracks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from databases.site import Site, of
from databases.sqlite import SQLite
from services.redis import Redis

from services.process import until

HOP_POOL = 8
OTHERS = 8
CROWD = 1000

SESSIONS = {
    "cache": "django.contrib.sessions.backends.cache",
    "cached_db": "django.contrib.sessions.backends.cached_db",
}


@pytest.fixture(params=SESSIONS)
def cached_site(request: pytest.FixtureRequest, redis: Redis, sqlite: SQLite) -> Iterator[Site]:
    redis.flush()
    env = {"PROJECT_CACHES": json.dumps({"default": redis.django()}), "PROJECT_SESSIONS": SESSIONS[request.param]}
    site = Site(sqlite, env)
    site.fill()
    redis.settled()
    redis.mark()
    yield site
    assert redis.settled() == 0


@pytest.mark.parametrize("path", ["/cache/", "/cache/sync/"])
def test_requests_share_the_connections_of_the_cache(cached_site: Site, redis: Redis, path: str) -> None:
    with cached_site.serve() as served:
        names = [f"name-{number}" for number in range(CROWD)]
        answers = served.get(*[f"{path}?name={name}" for name in names], connections=50)
        assert of(answers, "value") == of(answers, "again") == [name.upper() for name in names]
        assert 1 <= redis.opened() <= max(of(answers, "threads"))


@pytest.mark.parametrize("path", ["/visits/", "/visits/sync/"])
def test_sessions_in_redis_are_kept_over_few_connections(cached_site: Site, redis: Redis, path: str) -> None:
    with cached_site.serve() as served:
        for count in range(1, 4):
            assert of(served.get(path), "visits") == [count]
        answers = served.get(*[path] * CROWD, connections=50)
        assert all(count > 3 for count in of(answers, "visits"))
        assert 1 <= redis.opened() <= max(of(answers, "threads"))


def test_a_thousand_waiting_requests_share_the_connections_of_their_sessions(cached_site: Site, redis: Redis) -> None:
    with cached_site.serve(CONN_MAX_AGE=0) as served:
        answers = served.get(*[f"/user/together/?crowd=one&together={CROWD}"] * CROWD)
        assert set(of(answers, "user")) == {"ada"}
        assert max(of(answers, "threads")) <= HOP_POOL + OTHERS
        assert 1 <= redis.opened() <= HOP_POOL


def test_connections_that_redis_ended_are_opened_again(cached_site: Site, redis: Redis) -> None:
    with cached_site.serve() as served:
        for path in ("/cache/?name=a", "/cache/sync/?name=a"):
            assert of(served.get(path), "value") == ["A"]
            assert redis.terminate() > 0
            assert until(lambda path=path: served.get(path)[0].status, lambda status: status == 200) == 200
