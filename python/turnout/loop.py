"""The event loop: the stdlib's selector loop, its turns in Rust, on turnout's reactor.

No event-loop policy is set: ``asyncio.run`` in another thread gets a stdlib loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import threading
import weakref
from asyncio import base_events, sslproto
from collections.abc import Callable
from typing import Any

from turnout._turnout import EventLoop, Reactor
from turnout.transports import SocketTransport

__all__ = ["ReactorSelector", "TurnoutLoop", "new_event_loop"]


class ReactorSelector(selectors._BaseSelectorImpl):  # type: ignore[name-defined,misc]
    """`selectors.EpollSelector` in behaviour; behind it runs everything of turnout that is not Python."""

    def __init__(self) -> None:
        super().__init__()
        self.reactor = Reactor(self._fd_to_key)
        # Bound here so that an iteration of the loop has no Python frame for it.
        self.select = self.reactor.select
        _selectors.add(self)

    def fileno(self) -> int:
        """Return the descriptor of the epoll set."""
        return self.reactor.fileno()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file object; an error of the kernel leaves no trace."""
        key = super().register(fileobj, events, data)
        try:
            self.reactor.add(key.fd, events)
        except BaseException:
            super().unregister(fileobj)
            raise
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop watching; a descriptor closed before this left the epoll set by itself."""
        key = super().unregister(fileobj)
        with contextlib.suppress(OSError):
            self.reactor.remove(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what is watched for; as in the stdlib, an error of the kernel unregisters."""
        try:
            key = self._fd_to_key[self._fileobj_lookup(fileobj)]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None
        if events != key.events:
            try:
                self.reactor.modify(key.fd, events)
            except BaseException:
                super().unregister(fileobj)
                raise
        key = key._replace(events=events, data=data)
        self._fd_to_key[key.fd] = key
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:  # type: ignore[no-redef]
        """Replaced by the reactor's own in `__init__`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the runtime with all its tasks."""
        self.reactor.close()
        super().close()

    def _after_fork(self) -> None:
        if not self.reactor.after_fork():
            return
        for key in list(self._fd_to_key.values()):
            with contextlib.suppress(OSError):  # closed before the fork and never unregistered
                self.reactor.add(key.fd, key.events)


class TurnoutLoop(EventLoop, asyncio.SelectorEventLoop):
    """The stdlib's selector loop, so that everything written for it works unchanged.

    `EventLoop` has the queues, what puts into them and what works them off; the stdlib's own `_ready` and `_scheduled`
    stay empty.
    """

    def __init__(self, selector: ReactorSelector | None = None) -> None:
        selector = selector or ReactorSelector()
        self.reactor = selector.reactor
        self._bind(selector.reactor)
        # For signal handlers: no byte through a socket pair, no Python frame, no system call unless the loop sleeps.
        self._write_to_self = self.reactor.poke
        super().__init__(selector)
        self.reactor.attach(self)

    def close(self) -> None:
        """As in the stdlib."""
        super().close()
        self._forget_all()

    def _make_socket_transport(
        self, sock: Any, protocol: Any, waiter: Any = None, *, extra: Any = None, server: Any = None
    ) -> asyncio.Transport:
        return SocketTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        **timeouts: Any,
    ) -> asyncio.Transport:
        ssl_protocol = sslproto.SSLProtocol(
            self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts
        )
        SocketTransport(self, rawsock, ssl_protocol, extra=extra, server=server)
        return ssl_protocol._app_transport

    def _run_in_debug_mode(self, handle: asyncio.Handle) -> None:
        # What the stdlib does around each step in debug mode; the native turn calls it.
        self._current_handle = handle
        try:
            start = self.time()
            handle._run()
            took = self.time() - start
            if took >= self.slow_callback_duration:
                base_events.logger.warning("Executing %s took %.3f seconds", base_events._format_handle(handle), took)
        finally:
            self._current_handle = None
            del handle  # an exception that the step's task keeps would keep this frame, and this frame the task

    def run_forever(self) -> None:
        """Run until `stop`; in the main thread every signal reaches the reactor while it does."""
        if threading.current_thread() is not threading.main_thread():
            super().run_forever()
            return
        before = self._set_wakeup_fd()
        try:
            super().run_forever()
        finally:
            if not self._signal_handlers:
                # Ours from an earlier add_signal_handler: its handlers are gone, as is the need for it.
                own = self._csock is not None and before == self._csock.fileno()
                signal.set_wakeup_fd(-1 if own else before)

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """As in the stdlib."""
        try:
            super().add_signal_handler(sig, callback, *args)
        finally:
            self._keep_wakeup_fd()

    def remove_signal_handler(self, sig: int) -> bool:
        """As in the stdlib, but with the last handler the running loop does not lose its ear for signals."""
        try:
            return super().remove_signal_handler(sig)
        finally:
            self._keep_wakeup_fd()

    def _keep_wakeup_fd(self) -> None:
        # The runtime sleeps on through EINTR: without the descriptor Ctrl-C on an idle loop would do nothing.
        if self.is_running() and threading.current_thread() is threading.main_thread():
            self._set_wakeup_fd()

    def _set_wakeup_fd(self) -> int:
        if self._csock is None:  # closed: the stdlib says so in its own words
            return -1
        return signal.set_wakeup_fd(self._csock.fileno(), warn_on_full_buffer=False)


def new_event_loop() -> TurnoutLoop:
    """Make a loop; it is not set as anybody's current one."""
    return TurnoutLoop()


_selectors: weakref.WeakSet[ReactorSelector] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for selector in list(_selectors):
        if selector.get_map() is not None:
            selector._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
