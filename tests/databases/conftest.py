"""The same site on PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

import pytest
from databases.site import Site
from databases.sqlite import SQLite
from services.mariadb import MariaDB
from services.postgres import Postgres


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> SQLite:
    return SQLite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_site(postgres: Postgres) -> Site:
    return filled(Site(postgres))


@pytest.fixture(scope="session")
def mariadb_site(mariadb: MariaDB) -> Site:
    return filled(Site(mariadb))


@pytest.fixture(scope="session")
def sqlite_site(sqlite: SQLite) -> Site:
    return filled(Site(sqlite))


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(f"{request.param}_site")


@pytest.fixture(params=["postgres", "mariadb"])
def remote_site(request: pytest.FixtureRequest) -> Site:
    """On a server that can end connections from its side."""
    return request.getfixturevalue(f"{request.param}_site")


def filled(site: Site) -> Site:
    site.fill()
    return site
