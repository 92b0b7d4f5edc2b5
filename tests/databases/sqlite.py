"""SQLite with the counting that tests/services has for servers: open files instead of connections."""

from __future__ import annotations

import os
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
        return [int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if self._is_database(link)]

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

    def _is_database(self, link: Path) -> bool:
        try:
            target = Path(os.readlink(link))
        except OSError:
            return False
        return target.parent == self.folder and target.suffix == ".sqlite3"
