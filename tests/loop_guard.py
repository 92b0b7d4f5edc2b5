"""Finds what blocks the event loop: I/O that is done on a thread whose event loop runs is an error, and remembered.

Caught are files, directories, sockets, SMTP, child processes and sleep (by CPython's audit events), mail of any
backend, and every cache that is not in this process. Databases need no guard: Django has SynchronousOnlyOperation.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_EVENTS = frozenset(
    (
        "open",
        "os.listdir",
        "os.scandir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "tempfile.mkstemp",
        "tempfile.mkdtemp",
        "socket.connect",
        "socket.getaddrinfo",
        "smtplib.connect",
        "smtplib.send",
        "sqlite3.connect",
        "subprocess.Popen",
        "time.sleep",
    )
)
# What is imported, or shown in a traceback, is read once.
_CODE = (".py", ".pyc", ".so")
_ELSEWHERE = ("filebased.FileBasedCache", "db.DatabaseCache", "redis.RedisCache", "memcached.BaseMemcachedCache")
_ASKED = ("get", "set", "add", "touch", "delete", "has_key", "incr", "get_many", "set_many", "delete_many", "clear")


class BlocksTheLoop(Exception):
    """I/O on the loop thread."""


class _Guard:
    def __init__(self) -> None:
        self.watching = 0
        self.found: list[str] = []
        self._installed = False
        self._replaced: list[tuple[type, str, object]] = []
        self._lock = threading.Lock()

    def install(self) -> None:
        """Audit hooks cannot be taken out, so there is one, which sleeps most of the time."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event in _EVENTS and asyncio._get_running_loop() is not None:
            if event in ("open", "os.listdir", "os.scandir") and _is_import(arguments[0]):
                return
            self.refuse(f"{event} {arguments[:1]}")

    def watch(self) -> None:
        """While somebody watches, caches and mail are not Django's own."""
        with self._lock:
            self.watching += 1
            if self.watching == 1:
                self._watch_caches_and_mail()

    def leave(self) -> None:
        """The last one puts back what was there."""
        with self._lock:
            self.watching -= 1
            while self._replaced and not self.watching:
                cls, name, original = self._replaced.pop()
                setattr(cls, name, original)

    def _watch_caches_and_mail(self) -> None:
        from django.utils.module_loading import import_string

        def before(cls: type, name: str) -> None:
            original = getattr(cls, name)

            def watched(*args, **kwargs):
                if self.watching and asyncio._get_running_loop() is not None:
                    self.refuse(f"{cls.__qualname__}.{name}")
                return original(*args, **kwargs)

            self._replaced.append((cls, name, original))
            setattr(cls, name, watched)

        for backend in ("smtp", "locmem", "console", "filebased"):
            before(import_string(f"django.core.mail.backends.{backend}.EmailBackend"), "send_messages")
        for backend in _ELSEWHERE:
            cls = import_string(f"django.core.cache.backends.{backend}")
            for name in _ASKED:
                if name in cls.__dict__:
                    before(cls, name)

    def refuse(self, what: str) -> None:
        self.found.append(what)
        raise BlocksTheLoop(what)


def _is_import(path: object) -> bool:
    if isinstance(path, int):
        return True
    frame = sys._getframe(2)
    while frame is not None:
        if "importlib" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return str(path).endswith(_CODE)


_guard = _Guard()


@contextmanager
def guarded() -> Iterator[list[str]]:
    """What blocked the loop meanwhile is raised there and, since somebody may swallow that, here at the end."""
    _guard.install()
    _guard.found.clear()
    _guard.watch()
    try:
        yield _guard.found
    finally:
        _guard.leave()
    assert not _guard.found, f"the loop was blocked by {_guard.found}"
