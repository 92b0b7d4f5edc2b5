"""Calls of other clients that are in line for a connection of their pool are noticed; those that make one are not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import Serving
from services.postgres import Postgres
from services.redis import Redis
from waits import ask, queueing, queues, waiting_with

# What each server takes, less what its clock may be coarse by.
SECONDS = 0.039


def are_noticed(site: Serving, view: str, address: str, query: str = "") -> None:
    """Three calls at once with one connection: the second waits for the first, the third for both."""
    ask(site, view, query)
    [(place, what, count, worst)] = queues(site, view)
    assert (place.partition(" ")[0], what, count) == (queueing(view), address, 2)
    # Who comes some milliseconds later than the first waits so much less.
    assert 1.5 * SECONDS <= worst < 20


@pytest.fixture(scope="module")
def http_site() -> Iterator[Serving]:
    with waiting_with("with_http") as serving:
        yield serving


@pytest.mark.parametrize("client", ["urllib3", "requests", "httpx", "httpx_awaited", "aiohttp"])
def test_of_http_clients(http_site, slow, client):
    are_noticed(http_site, f"with_http.queues_for_{client}", slow, f"upstream=http://{slow}/")


@pytest.fixture(scope="module")
def redis_site(redis: Redis) -> Iterator[Serving]:
    with waiting_with("with_redis", WAITS_REDIS=redis.location) as serving:
        yield serving


@pytest.mark.parametrize("view", ["queues", "queues_awaited"])
def test_of_redis(redis_site, redis, view):
    are_noticed(redis_site, f"with_redis.{view}", f"{redis.host}:{redis.port}")


@pytest.fixture(scope="module")
def postgres_site(postgres: Postgres) -> Iterator[Serving]:
    url = f"postgresql://{postgres.user}@{postgres.host}:{postgres.port}/{postgres.database}"
    database = json.dumps(postgres.django(OPTIONS={"pool": {"min_size": 1, "max_size": 1}}))
    with waiting_with("with_postgres", WAITS_POSTGRES=url, WAITS_DATABASE=database) as serving:
        yield serving


@pytest.mark.parametrize("pool", ["psycopg", "psycopg_awaited", "asyncpg", "django"])
def test_of_postgresql_s(postgres_site, postgres, pool):
    are_noticed(postgres_site, f"with_postgres.queues_for_{pool}", f"{postgres.host}:{postgres.port}")


@pytest.mark.parametrize("view", ["has_room", "has_room_awaited"])
def test_who_finds_room_is_in_no_line(http_site, redis_site, postgres_site, slow, view):
    for site, module in [(http_site, "with_http"), (redis_site, "with_redis"), (postgres_site, "with_postgres")]:
        ask(site, f"{module}.{view}", f"upstream=http://{slow}/")
        assert queues(site, f"{module}.{view}") == []
