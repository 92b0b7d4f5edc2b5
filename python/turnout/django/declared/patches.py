"""The guard in front of methods that may block and have no audit event. Installed once, and only with DEBUG."""

from __future__ import annotations

import functools
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

from turnout.django.declared.guard import is_watched, refuse

_ON_SOCKETS = ("accept", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "send", "sendall")
_ON_TLS = ("do_handshake", "read", "recv", "recv_into", "send", "sendall", "write")
_CACHES = ("db.DatabaseCache", "filebased.FileBasedCache", "memcached.BaseMemcachedCache", "redis.RedisCache")
_ON_CACHES = ("add", "clear", "delete", "delete_many", "get", "get_many", "has_key", "incr", "set", "set_many", "touch")


def install() -> None:
    """Put the guard in front of them."""
    _guard(socket.socket, _ON_SOCKETS, _on_socket)
    _guard(ssl.SSLSocket, _ON_TLS, _on_socket)
    for name in _CACHES:
        _guard(import_string(f"django.core.cache.backends.{name}"), _ON_CACHES, _on_cache)
    # Where Django itself says nothing: DJANGO_ALLOW_ASYNC_UNSAFE.
    _guard(BaseDatabaseWrapper, ("_cursor",), _on_database)
    if sys.version_info < (3, 13):
        # From 3.13 on it has an event.
        time.sleep = _in_front_of(time.sleep, lambda seconds: refuse(f"does time.sleep({seconds})"))


def _guard(kind: type, names: Iterable[str], about: Callable[[str], Callable[..., None]]) -> None:
    for name in names:
        if hasattr(kind, name):
            setattr(kind, name, _in_front_of(getattr(kind, name), about(name)))


def _in_front_of(original: Callable[..., Any], ask: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if is_watched():
            ask(args[0])
        return original(*args, **kwargs)

    return guarded


def _on_socket(name: str) -> Callable[[socket.socket], None]:
    def ask(connection: socket.socket) -> None:
        # One that does not block answers at once.
        if connection.gettimeout() != 0:
            refuse(f"does socket.{name}()")

    return ask


def _on_cache(name: str) -> Callable[[Any], None]:
    return lambda cache: refuse(f"asks a cache ({type(cache).__qualname__}.{name})")


def _on_database(name: str) -> Callable[[Any], None]:
    return lambda connection: refuse(f"asks the database {connection.alias!r}")
