"""One request and the middleware it goes through: the form of the tables of middleware tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Case:
    """One request through `middleware`, of which the last (or `about`) is tried."""

    middleware: list[str]
    path: str
    threads: int
    settings: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""
    query: bytes = b""
    status: int = 200
    about: str = ""

    @property
    def tried(self) -> str:
        return self.about or self.middleware[-1]

    @property
    def request(self) -> dict[str, Any]:
        headers = list(self.headers.items())
        return {"method": self.method, "path": self.path, "headers": headers, "body": self.body, "query": self.query}
