"""One server of each kind a session, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.mariadb import MariaDB
from services.postgres import Postgres
from services.redis import Redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server
