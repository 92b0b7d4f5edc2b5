"""Redis as Django's cache and as the store of sessions: connections are bounded by threads, on both tracks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from databases.conftest import filled
from databases.site import Site, of
from databases.sqlite import SQLite
from services.process import until
from services.redis import Redis

HOP_POOL = 8
OTHERS = 8
#: Threads that are let in where no hop ends for a second.
GIVEN_WAY = 2
CROWD = 1000


@pytest.fixture(scope="session")
def sites(redis: Redis, sqlite: SQLite) -> dict[str, Site]:
    """By where their sessions are."""
    caches = json.dumps({"default": redis.django()})
    engines = {name: f"django.contrib.sessions.backends.{name}" for name in ("cache", "cached_db")}
    return {
        name: filled(Site(sqlite, f"redis_{name}", {"PROJECT_CACHES": caches, "PROJECT_SESSIONS": engine}))
        for name, engine in engines.items()
    }


@pytest.fixture
def site(request: pytest.FixtureRequest, sites: dict[str, Site], redis: Redis) -> Iterator[Site]:
    assert redis.settled() == 0
    redis.mark()
    yield sites[getattr(request, "param", "cache")]
    assert redis.settled() == 0


@pytest.mark.parametrize("path", ["/cache/", "/cache/sync/"])
def test_requests_share_the_connections_of_the_cache(site: Site, redis: Redis, path: str) -> None:
    with site.serve() as served:
        names = [f"name-{number}" for number in range(CROWD)]
        answers = served.get(*[f"{path}?name={name}" for name in names], connections=50)
        assert of(answers, "value") == of(answers, "again") == [name.upper() for name in names]
        assert 1 <= redis.opened() <= max(of(answers, "threads"))


@pytest.mark.parametrize("path", ["/visits/", "/visits/sync/"])
def test_sessions_in_redis_are_kept_over_few_connections(site: Site, redis: Redis, path: str) -> None:
    with site.serve() as served:
        before = of(served.get(path), "visits")[0]
        assert of(served.get(path), "visits") == [before + 1]
        answers = served.get(*[path] * 200, connections=50)
        assert min(of(answers, "visits")) > before + 1
        assert 1 <= redis.opened() <= max(of(answers, "threads"))


@pytest.mark.parametrize("site", ["cache", "cached_db"], indirect=True)
def test_a_thousand_waiting_requests_share_the_connections_of_their_sessions(site: Site, redis: Redis) -> None:
    with site.serve(CONN_MAX_AGE=0) as served:
        answers = served.get(*[f"/user/together/?crowd=one&together={CROWD}"] * CROWD)
        assert set(of(answers, "user")) == {"ada"}
        assert max(of(answers, "threads")) <= HOP_POOL + OTHERS
        assert 1 <= redis.opened() <= HOP_POOL + GIVEN_WAY


def test_connections_that_redis_ended_are_opened_again(site: Site, redis: Redis) -> None:
    with site.serve() as served:
        for path in ("/cache/?name=a", "/cache/sync/?name=a"):
            assert of(served.get(path), "value") == ["A"]
            assert redis.terminate() > 0
            assert until(lambda path=path: served.get(path)[0].status, lambda status: status == 200) == 200
