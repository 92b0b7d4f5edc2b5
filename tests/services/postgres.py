"""PostgreSQL for the tests, and what it knows of its clients."""

from __future__ import annotations

import re
import signal
from typing import Any

import psycopg

from services.process import Server, until


class Postgres(Server):
    """Listens on 127.0.0.1, trusts everybody there, keeps nothing."""

    title = "PostgreSQL"
    packages = "postgresql"
    # "Immediate shutdown": its children end with it, and its shared memory is given back.
    ending = signal.SIGQUIT
    user = "turnout"
    database = "postgres"
    max_connections = 100

    def prepare(self) -> None:
        initdb = self._find("initdb")
        self.run([initdb, "-D", "data", "-U", self.user, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"])

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": self.max_connections,
            # Nothing has to survive a crash.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            # The log tells exactly how many connections there were, and at once; statistics lag by a second.
            "log_connections": "on",
            "log_disconnections": "on",
            "log_line_prefix": "%p ",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._find("postgres"), "-D", str(self.folder / "data"), *options]

    def connect(self) -> None:
        self._admin = psycopg.connect(
            host=self.host, port=self.port, user=self.user, dbname="postgres", autocommit=True
        )
        self.mark()

    def disconnect(self) -> None:
        self._admin.close()

    def execute(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """On the tests' own connection, which is counted nowhere."""
        cursor = self._admin.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> None:
        """An empty one; one that was there is dropped."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.execute(f'CREATE DATABASE "{name}"')

    def django(self, database: str = "", **more: Any) -> dict[str, Any]:
        """An entry of DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": self.host,
            "PORT": self.port,
            "USER": self.user,
            "PASSWORD": "",
            "NAME": database or self.database,
            **more,
        }

    def connections(self) -> list[int]:
        """Process ids of the backends that serve a client."""
        rows = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [row[0] for row in rows]

    def settled(self, count: int = 0) -> int:
        """How many connections there are; asked again until they are no more than `count`, for a bounded time."""
        return len(until(self.connections, lambda found: len(found) <= count))

    def terminate(self) -> int:
        """End every connection from the server's side, as an operator or a proxy would; how many."""
        return sum(self.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])[0][0] for pid in self.connections())

    def mark(self) -> None:
        """`opened` and `peak` count from here. There should be no connections."""
        self._mark = self.log_path.stat().st_size

    def opened(self) -> int:
        """How many connections were opened since the mark."""
        return self._events().count(+1)

    def peak(self) -> int:
        """How many were open at most at one time since the mark."""
        most = now = 0
        for event in self._events():
            now += event
            most = max(most, now)
        return most

    def _events(self) -> list[int]:
        with self.log_path.open("rb") as log:
            log.seek(self._mark)
            text = log.read().decode(errors="replace")
        lines = re.findall(r"^\d+ LOG:  (connection authorized|disconnection):", text, flags=re.MULTILINE)
        return [+1 if line == "connection authorized" else -1 for line in lines]

    def _find(self, name: str) -> str:
        return self.find(name, f"/usr/lib/postgresql/*/bin/{name}")
