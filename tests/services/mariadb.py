"""MariaDB for the tests, and what it knows of its clients."""

from __future__ import annotations

from typing import Any

import pymysql

from services.process import Server, until


class MariaDB(Server):
    """Listens on 127.0.0.1, knows one user, keeps nothing."""

    title = "MariaDB"
    packages = "mariadb-server-core mariadb-client-core"
    user = "turnout"
    password = "turnout"
    database = "turnout"
    max_connections = 100

    def prepare(self) -> None:
        install = self.find("mariadb-install-db")
        # No reverse look-ups, and users that log in with a password.
        options = ["--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db"]
        self.run([install, "--no-defaults", f"--datadir={self.folder / 'data'}", *options, *self._small()])
        (self.folder / "init.sql").write_text(
            f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4;\n"
            f"CREATE USER {self.user}@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO {self.user}@'127.0.0.1';\n"
        )

    def command(self) -> list[str]:
        return [
            self.find("mariadbd", "/usr/sbin/mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--bind-address={self.host}",
            f"--port={self.port}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            f"--max-connections={self.max_connections}",
            "--skip-name-resolve",
            "--skip-log-bin",
            # Nothing has to survive a crash.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            # A server thread kept for the next client would still be counted in the moment it is let go.
            "--thread-cache-size=0",
            *self._small(),
        ]

    def connect(self) -> None:
        self._admin = pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, autocommit=True
        )
        self.mark()

    def disconnect(self) -> None:
        self._admin.close()

    def execute(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """On the tests' own connection, which is counted nowhere."""
        with self._admin.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def create_database(self, name: str) -> None:
        """An empty one; one that was there is dropped."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")

    def django(self, database: str = "", **more: Any) -> dict[str, Any]:
        """An entry of DATABASES, for a project that calls `pymysql.install_as_MySQLdb()`."""
        return {
            "ENGINE": "django.db.backends.mysql",
            "HOST": self.host,
            "PORT": self.port,
            "USER": self.user,
            "PASSWORD": self.password,
            "NAME": database or self.database,
            # PyMySQL reads all certificates of the system for each connection, also where there is no TLS: 28 ms.
            "OPTIONS": {"ssl_disabled": True},
            **more,
        }

    def connections(self) -> list[int]:
        """Ids of the connections that serve a client."""
        rows = self.execute(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = %s", [self.user]
        )
        return [row[0] for row in rows]

    def settled(self, count: int = 0) -> int:
        """How many connections there are; asked again until they are no more than `count`, for a bounded time."""
        return len(until(self.connections, lambda found: len(found) <= count))

    def terminate(self) -> int:
        """End every connection from the server's side, as an operator or a proxy would; how many."""
        found = self.connections()
        for connection in found:
            self.execute("KILL %s", [connection])
        until(self.connections, lambda left: not set(left) & set(found))
        return len(found)

    def mark(self) -> None:
        """`opened` and `peak` count from here. There should be no connections."""
        self.execute("FLUSH STATUS")
        self._mark = self._status("Connections")

    def opened(self) -> int:
        """How many connections were opened since the mark."""
        return self._status("Connections") - self._mark

    def peak(self) -> int:
        """How many were open at most at one time since the mark."""
        return self._status("Max_used_connections") - 1

    def _status(self, name: str) -> int:
        return int(self.execute("SHOW GLOBAL STATUS LIKE %s", [name])[0][1])

    @staticmethod
    def _small() -> list[str]:
        # The defaults write hundreds of megabytes, and containers often forbid io_uring.
        return ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-use-native-aio=0"]
