"""The project in tests/projects/database on one of the databases, filled once, served as often as wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crowd import Got, ask_all
from databases.sqlite import SQLite
from harness import Serving, serve
from services.mariadb import MariaDB
from services.postgres import Postgres

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "database"


@dataclass
class Site:
    """What the project needs to know, and a user's session."""

    database: Postgres | MariaDB | SQLite
    #: Of the database, where there are several sites.
    name: str = "records"
    #: More of its environment: caches, sessions.
    env: dict[str, str] = field(default_factory=dict)
    #: More of its entry in DATABASES.
    settings: dict[str, Any] = field(default_factory=dict)
    session: str = ""

    def fill(self) -> None:
        """Tables, records, a user with a session."""
        self.database.create_database(self.name)
        manage = [sys.executable, "manage.py", "fill"]
        done = subprocess.run(manage, cwd=PROJECT, env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.session = done.stdout.strip()

    @contextmanager
    def serve(self, args: Sequence[str] = (), **database: Any) -> Iterator[Served]:
        """Serve it with more settings of the database (`CONN_MAX_AGE=600`); connections are counted from here."""
        assert self.database.settled() == 0, "somebody else's connections are still there"
        self.database.mark()
        environment = self.environment(**database)
        with serve(["records.asgi:application", *args], cwd=PROJECT, env=environment) as serving:
            yield Served(serving, self)

    def environment(self, **database: Any) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "DJANGO_"))}
        if isinstance(self.database, SQLite):
            kept["PROJECT_JOURNAL"] = str(self.database.journal)
        return {
            **kept,
            **self.env,
            "PROJECT_DATABASE": json.dumps(self.database.django(self.name, **self.settings, **database)),
        }


@dataclass
class Served:
    """The site, running."""

    serving: Serving
    site: Site

    def get(self, *paths: str, connections: int = 0) -> list[Got]:
        """GET all of them at once as the user, or over so many connections."""
        headers = {"Cookie": f"sessionid={self.site.session}"}
        return ask_all(self.serving.url, paths, connections=connections, headers=headers)

    def threads(self) -> int:
        """How many the worker has now."""
        return int(self.get("/facts/")[0].json["threads"])


def of(answers: Sequence[Got], name: str) -> list[Any]:
    """One value of every answer, each of which must be a 200."""
    assert {answer.status for answer in answers} == {200}
    return [answer.json[name] for answer in answers]
