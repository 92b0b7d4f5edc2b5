"""The start and the end of a request: signals, the database connections of its thread.

Django fires request_started and request_finished on the request's thread. Where only Django's own receivers listen,
an async request that never took a thread has nothing to do for either, and none is taken for it.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.memcached import PyLibMCCache
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, connections, reset_queries
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from turnout.django import hooks, vetting
from turnout.django.connections import discard, is_marked

_STARTED_ON_THREAD = (reset_queries, close_old_connections)
_FINISHED_ON_THREAD = (close_old_connections, close_caches, reset_urlconf)


class Receivers:
    """Whether a signal has only Django's own receivers. Looks again only when its list has changed."""

    def __init__(self, signal: Any, own: tuple[Callable[..., Any], ...]) -> None:
        self._signal = signal
        self._own = own
        self._seen: list[Any] = []
        self._only_own = True
        self._send = type(signal)._live_receivers

    def only_own(self) -> bool:
        """Read from `Signal.receivers`: `_live_receivers` is what error trackers patch."""
        receivers = self._signal.receivers
        if receivers != self._seen:
            self._seen = list(receivers)
            self._only_own = all(_target(entry[1]) in self._own for entry in receivers)
        return self._only_own


def _target(receiver: Any) -> Any:
    return receiver() if isinstance(receiver, weakref.ReferenceType) else receiver


started = Receivers(signals.request_started, (*_STARTED_ON_THREAD, reset_urlconf))
finished = Receivers(signals.request_finished, _FINISHED_ON_THREAD)


@lru_cache(maxsize=1)
def knows_receivers() -> bool:
    """Whether Django's receivers, and what sends request_finished, are the functions that this file stands in for."""
    return not vetting.verdict(list(hooks.LIFECYCLE))


def begin_on_thread() -> None:
    """What Django's receivers of request_started do, in one pass over this thread's connections."""
    local = connections._connections
    for alias in connections.settings:
        connection = getattr(local, alias, None)
        if connection is not None:
            connection.queries_log.clear()
            connection.close_if_unusable_or_obsolete()


def finish_on_thread() -> None:
    """What Django's receivers of request_finished do here: the URLconf and the caches' Local end with the Context."""
    local = connections._connections
    for alias in connections.settings:
        connection = getattr(local, alias, None)
        if connection is not None:
            connection.close_if_unusable_or_obsolete()
            _settle(connection)


_all_caches_checked: list[Any] = [None, False]


def caches_close_nothing() -> bool:
    """Whether `close()` does nothing for every cache that this Context has used."""
    if _all_caches_checked[0] is not settings.CACHES:
        _all_caches_checked[:] = settings.CACHES, all(map(_closes_nothing, _cache_classes()))
    return _all_caches_checked[1] or all(map(_closes_nothing, map(type, caches.all(initialized_only=True))))


def _cache_classes() -> Iterator[type]:
    for config in settings.CACHES.values():
        try:
            yield import_string(config["BACKEND"])
        except ImportError:
            # A broken cache: nobody knows what it would do.
            yield object


def _closes_nothing(kind: type) -> bool:
    close = getattr(kind, "close", None)
    # libmemcached keeps its own connections, and Django leaves them alone.
    return close is BaseCache.close or close is PyLibMCCache.close


# Caches whose objects may be used by several threads at once: the hops of all requests on the loop share them.
# The client of redis-py is for threads, and its pool has as many connections as calls ran at once.
_SHARED_CACHES = (
    "locmem.LocMemCache",
    "dummy.DummyCache",
    "filebased.FileBasedCache",
    "db.DatabaseCache",
    "redis.RedisCache",
)


def may_share_cache(config: dict[str, Any]) -> bool:
    """Whether one object of this cache serves all threads."""
    return config["BACKEND"].removeprefix("django.core.cache.backends.") in _SHARED_CACHES


def prepare_thread() -> None:
    """What request_started does on a thread, for a request that reached its thread only now."""
    receivers = [_target(entry[1]) for entry in signals.request_started.receivers]
    for receiver in _STARTED_ON_THREAD:
        if receiver in receivers:
            receiver(signal=signals.request_started, sender=None)


def settle_thread() -> None:
    """Leave nothing of a request on its thread: an open transaction or a wrapper around queries goes with it.

    Tasks that outlive their request end here without request_finished, so connections past their age close here too.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.allow_thread_sharing:
            connection.close_if_unusable_or_obsolete()
            _settle(connection)


def _settle(connection: Any) -> None:
    if is_marked(connection) and not connection.allow_thread_sharing:
        try:
            discard(connection)
        finally:
            del connections[connection.alias]


def end_thread() -> None:
    """Close what an ending thread still holds."""
    for connection in connections.all(initialized_only=True):
        if not connection.allow_thread_sharing:
            connection.close()


def can_close_inline(response: Any, request: Any, body: Any) -> bool:
    """Whether `response.close()` has nothing to do that needs a thread (none was used by the request)."""
    if getattr(request, "_files", None) or not (hasattr(body, "getbuffer") or getattr(body, "_rolled", True) is False):
        return False
    if not finished.only_own() or type(response).close is not HttpResponseBase.close:
        return False
    closers = response._resource_closers
    if len(closers) != 1 or request is None or closers[0] != request.close:
        return False
    return caches_close_nothing() and knows_receivers()


def close_inline(response: Any) -> None:
    """What `response.close()` would do there, less the signal that has nobody to tell anything."""
    response._resource_closers.clear()
    response.closed = True


def can_finish_directly(response: Any) -> bool:
    """Whether `finish_directly` is the same as `response.close()` on this thread."""
    return (
        finished.only_own()
        and type(response).close is HttpResponseBase.close
        and caches_close_nothing()
        and knows_receivers()
    )


def finish_directly(response: Any) -> None:
    """HttpResponseBase.close with Django's receivers of request_finished called in one pass."""
    for closer in response._resource_closers:
        # Django lets a closer that fails not keep the others from running.
        with contextlib.suppress(Exception):
            closer()
    response._resource_closers.clear()
    response.closed = True
    finish_on_thread()
