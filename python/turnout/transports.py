"""The loop's stream transport: the stdlib's, with the two paths that every message takes in Rust."""

from __future__ import annotations

import asyncio
from asyncio import selector_events
from typing import Any

from turnout._turnout import Stream

__all__ = ["SocketTransport"]

_Base: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class SocketTransport(_Base):  # type: ignore[misc]
    """`_SelectorSocketTransport` in behaviour.

    `Stream` reads, and writes what the kernel takes at once. It hands the rest to the methods `_..._slowly`, which are
    the stdlib's own, so that back-pressure, closing and errors are what they are there, in each version of Python.
    """

    # Of the slow path. The stdlib's 256 KiB are above malloc's threshold for memory of its own: three system calls and
    # fresh pages for each read, however short.
    max_size = 64 * 1024

    _write_slowly = _Base.write
    _writelines_slowly = _Base.writelines

    def __init__(self, loop: Any, sock: Any, *args: Any, **options: Any) -> None:
        stream = Stream(self, sock)
        self._stream = stream
        # In the instance, so that a call of them has no Python frame.
        self.write = stream.write
        self.writelines = stream.writelines
        super().__init__(loop, sock, *args, **options)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As in the stdlib."""
        super().set_protocol(protocol)
        self._stream.set_protocol(protocol, isinstance(protocol, asyncio.BufferedProtocol))

    def write_eof(self) -> None:
        """As in the stdlib."""
        self._stream.block(True)
        super().write_eof()

    def close(self) -> None:
        """As in the stdlib."""
        self._stream.block(True)
        super().close()

    def _force_close(self, exc: BaseException | None) -> None:
        self._stream.block(True)
        super()._force_close(exc)

    def _make_empty_waiter(self) -> Any:
        waiter = super()._make_empty_waiter()
        self._stream.block(True)
        return waiter

    def _reset_empty_waiter(self) -> None:
        super()._reset_empty_waiter()
        self._stream.block(self._closing or self._eof)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            super()._call_connection_lost(exc)
        finally:
            self._stream.end()

    def _add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        # The one reader of a transport, `_read_ready`, without its Python frame.
        if self.is_reading():
            self._loop._add_reader(fd, self._stream.read, self)

    def _failed(self, error: BaseException, message: str) -> None:
        # Raised once more, for `_fatal_error` logs the exception that is being handled.
        try:
            raise error
        except BaseException as raised:
            self._fatal_error(raised, message)
