"""SQLite with the counting that tests/services has for servers: open files instead of connections."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.process import until


class SQLite:
    """A folder; each database in it is a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: The site writes a line here as it opens a connection: how many it has open then.
        self.journal = folder / "journal"
        self.journal.touch()
        self.mark()

    def create_database(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.sqlite3"

    def django(self, database: str, **more: Any) -> dict[str, Any]:
        """An entry of DATABASES."""
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.path(database)), **more}

    def connections(self) -> list[int]:
        """Who has a database open, once for each time."""
        found = []
        for process in filter(str.isdigit, os.listdir("/proc")):
            # Gone meanwhile, or somebody else's.
            with suppress(OSError):
                links = os.listdir(f"/proc/{process}/fd")
                found += [int(process) for link in links if self._is_database(f"/proc/{process}/fd/{link}")]
        return found

    def settled(self, count: int = 0) -> int:
        return len(until(self.connections, lambda found: len(found) <= count))

    def mark(self) -> None:
        self._mark = len(self._lines())

    def opened(self) -> int:
        return len(self._lines()) - self._mark

    def peak(self) -> int:
        return max(map(int, self._lines()[self._mark :]), default=0)

    def _lines(self) -> list[str]:
        return self.journal.read_text().splitlines()

    def _is_database(self, link: str) -> bool:
        # Plain strings: a worker with a thousand clients has as many links, and all are read again and again.
        with suppress(OSError):
            target = os.readlink(link)
            return target.endswith(".sqlite3") and os.path.dirname(target) == str(self.folder)
        return False
