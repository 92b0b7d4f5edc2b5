"""Calls of other clients are waits of the request: told by kind, address and line, each counted once."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from harness import Serving
from services.postgres import Postgres
from services.redis import Redis
from waits import ask, by_line, figures, marked, waiting_with, waits

# What each server takes, less what its clock may be coarse by.
SECONDS = 0.039


@pytest.fixture(scope="module")
def http_site() -> Iterator[Serving]:
    with waiting_with("with_http") as serving:
        yield serving


@pytest.mark.parametrize(
    ("view", "path", "times"),
    [
        ("with_requests", "/", 1),
        ("with_requests", "/moved?token=secret", 2),
        ("with_requests", "/late", 2),
        ("with_requests_session", "/", 2),
        ("with_urllib3", "/", 1),
        ("with_urllib3", "/moved", 2),
        ("with_urllib3", "/fails-at-first?urllib3", 2),
        ("with_httpx", "/", 1),
        ("with_httpx", "/moved", 2),
        ("with_httpx", "/late", 2),
        ("with_httpx_streaming", "/", 1),
        ("with_httpx_awaited", "/", 1),
        ("with_httpx_awaited", "/moved", 2),
        ("with_aiohttp", "/", 1),
        ("with_aiohttp", "/moved", 2),
        ("with_aiohttp_and_a_late_body", "/late", 2),
        ("with_aiohttp_in_tasks", "/", 2),
        ("with_requests_over_turnout", "/", 1),
        ("with_httpx_over_turnout", "/", 1),
    ],
)
def test_http_clients(slow, view, path, times):
    view = f"with_http.{view}"
    with waiting_with("with_http") as site:
        found = ask(site, view, f"upstream=http://somebody:secret@{slow}{path}")
        assert list(found) == ["http"]
        assert found["http"] >= times * SECONDS
        assert by_line(site, view) == {f"http {slow}": marked(view)}
        assert "secret" not in json.dumps(figures(site))


@pytest.mark.parametrize("view", ["with_requests", "with_urllib3", "with_httpx", "with_httpx_awaited", "with_aiohttp"])
def test_the_address_is_that_of_who_answered_in_the_end(slow, view):
    view = f"with_http.{view}"
    with waiting_with("with_http") as site:
        ask(site, view, f"upstream=http://{slow}/elsewhere")
        assert by_line(site, view) == {f"http {slow.replace('127.0.0.1', 'localhost')}": marked(view)}


def test_what_is_cancelled_was_a_wait(http_site, slow):
    view = "with_http.is_cancelled"
    assert ask(http_site, view, f"upstream=http://{slow}/")["http"] > 0
    assert by_line(http_site, view) == {f"http {slow}": marked(view)}


def test_what_fails_was_a_wait(http_site):
    view = "with_http.is_refused"
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    assert ask(http_site, view, f"upstream=http://{address}/")["http"] > 0
    assert by_line(http_site, view) == {f"http {address}": marked(view)}


def is_told(site: Serving, view: str, kind: str, address: str, seconds: float) -> None:
    """Whether a view's waits are told, all of them of that kind, at that address and at their lines."""
    found = ask(site, view)
    assert list(found) == [kind]
    assert found[kind] > seconds
    assert by_line(site, view) == {f"{kind} {address}": marked(view)}


@pytest.fixture(scope="module")
def redis_site(redis: Redis) -> Iterator[Serving]:
    with waiting_with("with_redis", WAITS_REDIS=redis.location) as serving:
        yield serving


@pytest.mark.parametrize(
    ("view", "seconds"),
    [
        ("pops", SECONDS),
        ("pipes", 0),
        ("listens", SECONDS),
        ("pops_awaited", SECONDS),
        ("pops_in_tasks", SECONDS),
        ("pipes_awaited", 0),
        ("listens_awaited", SECONDS),
        ("asks_the_cache", 0),
        ("asks_the_cache_awaited", 0),
    ],
)
def test_redis(redis_site, redis, view, seconds):
    is_told(redis_site, f"with_redis.{view}", "cache", f"{redis.host}:{redis.port}", seconds)


@pytest.fixture(scope="module")
def postgres_site(postgres: Postgres) -> Iterator[Serving]:
    url = f"postgresql://{postgres.user}@{postgres.host}:{postgres.port}/{postgres.database}"
    database = json.dumps(postgres.django(CONN_MAX_AGE=None))
    with waiting_with("with_postgres", WAITS_POSTGRES=url, WAITS_DATABASE=database) as serving:
        yield serving


@pytest.mark.parametrize(
    ("view", "seconds"),
    [
        ("with_psycopg", SECONDS),
        ("with_a_cursor_on_the_server", 0),
        ("copies", SECONDS),
        ("with_psycopg_awaited", SECONDS),
        ("with_a_pool_of_psycopg", 2 * SECONDS),
        ("with_asyncpg", SECONDS),
        ("with_a_pool_of_asyncpg", 2 * SECONDS),
        ("with_django", 2 * SECONDS),
        ("with_django_awaited", SECONDS),
    ],
)
def test_postgres(postgres_site, postgres, view, seconds):
    is_told(postgres_site, f"with_postgres.{view}", "db", f"{postgres.host}:{postgres.port}", seconds)


@pytest.mark.parametrize("view", ["is_refused", "is_refused_awaited"])
def test_a_connection_that_fails_is_told_with_the_address_that_its_error_knows(postgres_site, view):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    view = f"with_postgres.{view}"
    assert ask(postgres_site, view, f"nobody=postgresql://somebody@{address}/some")["db"] > 0
    assert by_line(postgres_site, view) == {f"db {address}": marked(view)}


def test_watching_can_be_turned_off(slow):
    with waiting_with("with_http", "with_turnout", args=("--watch-clients", "off")) as site:
        assert "calls of other clients are not watched" in site.log
        assert ask(site, "with_http.with_requests", f"upstream=http://{slow}/") == {}
        assert waits(site, "with_http.with_requests") == []
        assert ask(site, "with_turnout.one_call", f"upstream=http://{slow}/")["http"] >= SECONDS


def test_the_banner_tells_which_clients_are_watched():
    with waiting_with("with_http") as site:
        assert "calls are watched of aiohttp httpx requests urllib3" in " ".join(site.log.split())
