"""PostgreSQL, MariaDB and Redis for the tests: fixtures `postgres`, `mariadb` and `redis`, one of each a session."""

from services.fixtures import mariadb, postgres, redis

__all__ = ["mariadb", "postgres", "redis"]
