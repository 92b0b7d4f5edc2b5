"""Redis for the tests, and what it knows of its clients."""

from __future__ import annotations

from typing import Any

import redis

from services.process import Server, until


class Redis(Server):
    """Listens on 127.0.0.1, keeps everything in memory."""

    title = "Redis"
    packages = "redis-server"

    def command(self) -> list[str]:
        settings = {"bind": self.host, "port": self.port, "dir": self.folder, "save": "", "supervised": "systemd"}
        return [
            self.find("redis-server"),
            *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
        ]

    def connect(self) -> None:
        self._admin = redis.Redis(host=self.host, port=self.port, single_connection_client=True)
        self.mark()

    def disconnect(self) -> None:
        self._admin.close()

    @property
    def location(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def django(self, **more: Any) -> dict[str, Any]:
        """An entry of CACHES."""
        return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": self.location, **more}

    def names(self) -> list[str]:
        """The names of all that is stored."""
        return sorted(key.decode() for key in self._admin.scan_iter())

    def connections(self) -> list[int]:
        """Ids of the clients."""
        own = self._admin.client_id()
        return [int(client["id"]) for client in self._admin.client_list() if int(client["id"]) != own]

    def settled(self, count: int = 0) -> int:
        """How many connections there are; asked again until they are no more than `count`, for a bounded time."""
        return len(until(self.connections, lambda found: len(found) <= count))

    def terminate(self) -> int:
        """End every connection from the server's side; how many."""
        return int(self._admin.client_kill_filter(_type="normal", skipme=True))

    def mark(self) -> None:
        """`opened` counts from here."""
        self._mark = self._received()

    def opened(self) -> int:
        """How many connections were opened since the mark."""
        return self._received() - self._mark

    def _received(self) -> int:
        return int(self._admin.info("stats")["total_connections_received"])
