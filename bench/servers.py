"""turnout and its rivals: how each is started at its best with one worker.

A family is one way to serve (granian's ASGI, granian's WSGI, ...). Where a rival can be set up in several ways the
family has several variants, and a short trial before the rounds picks the one that is measured.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

Interface = Literal["asgi", "wsgi"]
BACKLOG = "2048"


@dataclass(frozen=True)
class Server:
    """One way to start one server."""

    family: str
    variant: str
    interface: Interface
    argv: tuple[str, ...]
    application: str
    threads: int | None = None

    @property
    def label(self) -> str:
        """The name in a table."""
        return f"{self.family} {self.variant}".strip()

    def command(self, port: int) -> list[str]:
        """The command line, listening on `port` of the loopback."""
        return [part.format(port=port, app=self.application) for part in self.argv]


FAMILIES = ("turnout", "granian-asgi", "uvicorn", "granian-wsgi", "gunicorn", "fastpysgi", "bjoern")
ASGI_RIVALS = ("granian-asgi", "uvicorn")


def variants(family: str, project: str, threads: int | None = None) -> list[Server]:
    """The ways to start `family` for a project (django, bare or bare-wsgi), with so many threads for blocking code."""
    takes_both = family == "turnout" and project != "bare-wsgi"
    interface: Interface = "asgi" if takes_both or family in ASGI_RIVALS else "wsgi"
    application = f"mysite.{interface}:application" if project == "django" else f"bare:{interface}"

    def server(variant: str, *argv: str) -> Server:
        return Server(family, variant, interface, (sys.executable, "-m", *argv), application, threads)

    many = ("--threads", str(threads)) if threads else ()
    match family:
        case "turnout":
            plain = () if project == "django" else ("--interface", interface)
            return [server(" ".join(many), "turnout", "serve", "{app}", "--bind", "127.0.0.1:{port}", *plain, *many)]
        case "granian-asgi":
            common = ("granian", "{app}", "--interface", "asgi", *_granian(), "--blocking-threads", "1")
            return [server(loop, *common, "--loop", loop) for loop in ("asyncio", "uvloop")]
        case "granian-wsgi":
            common = ("granian", "{app}", "--interface", "wsgi", *_granian())
            return [
                server(f"{number} threads", *common, "--blocking-threads", str(number))
                for number in ((threads,) if threads else (1, 4))
            ]
        case "uvicorn":
            quiet = ("--no-access-log", "--log-level", "warning", "--backlog", BACKLOG)
            best = ("--loop", "uvloop", "--http", "httptools")
            return [server("", "uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}", *best, *quiet)]
        case "gunicorn":
            number = str(threads or 4)
            sized = ("--threads", number, "--worker-connections", "2000", "--backlog", BACKLOG, "--timeout", "0")
            argv = ("gunicorn", "{app}", "-k", "gthread", "-b", "127.0.0.1:{port}", *sized)
            return [server(f"gthread {number}", *argv, "--keep-alive", "75", "--log-level", "warning")]
        case "fastpysgi" | "bjoern":
            return [server("", "bench.launch", family, "{app}", "{port}")]
    raise LookupError(f"no server is called {family}: {', '.join(FAMILIES)}")


def _granian() -> tuple[str, ...]:
    listen = ("--host", "127.0.0.1", "--port", "{port}", "--backlog", BACKLOG, "--backpressure", "2048")
    return (*listen, "--workers", "1", "--runtime-threads", "1", "--http", "1", "--no-ws", "--log-level", "warning")
