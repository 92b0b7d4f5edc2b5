"""The servers that the other tests here rely on: they are real, nobody's privileged child, and counted exactly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pymysql
import pytest
import redis as redis_client
from services.mariadb import MariaDB
from services.postgres import Postgres
from services.process import until
from services.redis import Redis


@pytest.fixture(params=["postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> Postgres | MariaDB:
    return request.getfixturevalue(request.param)


def connect(server: Postgres | MariaDB):
    if isinstance(server, Postgres):
        return psycopg.connect(host=server.host, port=server.port, user=server.user, dbname=server.database)
    return pymysql.connect(host=server.host, port=server.port, user=server.user, password=server.password)


def owner(server: Postgres | MariaDB | Redis) -> int:
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    return int(status.partition("Uid:")[2].split()[0])


@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis"])
def test_no_server_runs_as_root(name: str, request: pytest.FixtureRequest) -> None:
    assert owner(request.getfixturevalue(name)) != 0


def test_connections_are_counted_exactly(database: Postgres | MariaDB) -> None:
    database.mark()
    first, second = connect(database), connect(database)
    assert len(database.connections()) == 2
    first.close()
    assert database.settled(1) == 1
    connect(database).close()
    second.close()
    assert database.settled() == 0
    assert (database.opened(), database.peak()) == (3, 2)
    database.mark()
    assert (database.opened(), database.peak()) == (0, 0)


def test_a_terminated_connection_is_useless_to_its_client(database: Postgres | MariaDB) -> None:
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert database.terminate() == 1
        assert database.connections() == []
        with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
            cursor.execute("SELECT 1")


def test_databases_are_made_empty(database: Postgres | MariaDB) -> None:
    database.create_database("made")
    database.create_database("made")
    assert database.django("made")["NAME"] == "made"


def test_redis_counts_its_clients(redis: Redis) -> None:
    redis.mark()
    with redis_client.Redis(host=redis.host, port=redis.port) as client:
        client.set("key", "value")
        assert "key" in redis.names()
        assert len(redis.connections()) == 1
        assert redis.terminate() == 1
    assert redis.settled() == 0
    assert redis.opened() == 1


@pytest.mark.parametrize("kind", [Postgres, MariaDB, Redis])
def test_no_server_outlives_tests_that_were_killed(kind: type[Postgres | MariaDB | Redis]) -> None:
    program = (
        f"from {kind.__module__} import {kind.__name__} as Kind\n"
        "with Kind() as server:\n"
        "    print(server._process.pid, server.folder, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as tests:
        pid, folder = tests.stdout.readline().split()
        tests.kill()
    try:
        assert until(lambda: running(int(pid)), lambda found: not found) is False
    finally:
        shutil.rmtree(folder)


def running(pid: int) -> bool:
    """Whether it is there and is no zombie, which init has not fetched yet."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
