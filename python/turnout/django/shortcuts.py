"""What Django works out anew for every request, worked out once where the outcome is the same.

Each shortcut stands in for functions of Django that somebody has read, and is taken only while they are those
(vetting.py): what a project, a library or another release has changed stays as it is. docs/concepts/middleware.md says
what each one saves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

from django.conf import LazySettings
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.core.handlers import base
from django.http import request as http_request
from django.urls import get_resolver
from django.urls.resolvers import ResolverMatch, URLResolver

from turnout.django import routes, vetting
from turnout.incoming import current_scope

_LAZY = "django.utils.functional.LazyObject.__getattribute__"
_SPLIT = "django.http.request.split_domain_port"
_STORAGES = (
    "django.contrib.messages.storage.fallback.FallbackStorage.__init__",
    "django.contrib.messages.storage.cookie.CookieStorage.__init__",
    "django.contrib.messages.storage.session.SessionStorage.__init__",
)
_RESOLVE = "django.core.handlers.base.BaseHandler.resolve_request"
#: The functions that the shortcuts stand in for.
FUNCTIONS = (_LAZY, _SPLIT, *_STORAGES, _RESOLVE)

# Hosts and paths that clients ask for are remembered up to these numbers.
_HOSTS = 128
_PATHS = 1024


_kinds: dict[Any, bool] = {}
_KINDS_KEPT = 1024


def is_async_view(view: Any) -> bool:
    """Django's own test, remembered by view."""
    try:
        return _kinds[view]
    except (KeyError, TypeError):
        pass
    kind = bool(base.iscoroutinefunction(view))
    try:
        if len(_kinds) >= _KINDS_KEPT:
            _kinds.clear()
        _kinds[view] = kind
    except TypeError:
        # A view that cannot be hashed is asked each time.
        pass
    return kind


def install() -> None:
    """Once a process, before requests come; a second call changes nothing."""
    _read_settings_directly()
    _remember_hosts()
    _make_storages_on_demand()


def _read_settings_directly() -> None:
    """`settings.X` without a Python function around it.

    LazyObject asks of every attribute whether it is one of its proxy methods. Settings, once read, lie in the instance
    as plain values, and startproject's middleware read some thirty of them a request.
    """
    if "__getattribute__" not in LazySettings.__dict__ and not vetting.unvetted([_LAZY]):
        LazySettings.__getattribute__ = object.__getattribute__  # type: ignore[method-assign]


def _remember_hosts() -> None:
    """The Host header split and checked once a host. Which hosts are allowed is still asked each time."""
    if not hasattr(http_request.split_domain_port, "cache_info") and not vetting.unvetted([_SPLIT]):
        http_request.split_domain_port = lru_cache(_HOSTS)(http_request.split_domain_port)


def _make_storages_on_demand() -> None:
    """FallbackStorage makes its two storages when the first message is asked for or stored: few requests have any."""
    theirs = FallbackStorage.__init__
    if "storages" in FallbackStorage.__dict__ or vetting.unvetted(list(_STORAGES)):
        return
    usual = (CookieStorage, SessionStorage)

    def __init__(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        # Without a session the constructor of SessionStorage complains, and goes on doing so.
        if args or kwargs or self.storage_classes != usual or not hasattr(request, "session"):
            theirs(self, request, *args, **kwargs)
        else:
            BaseStorage.__init__(self, request)

    vetting.stand_in(__init__, theirs)
    FallbackStorage.__init__ = __init__
    _set_cached(FallbackStorage, "storages", lambda self: [make(self.request) for make in self.storage_classes])
    _set_cached(FallbackStorage, "_used_storages", lambda self: set())


def _set_cached(cls: type, name: str, make: Callable[[Any], Any]) -> None:
    attribute: cached_property[Any] = cached_property(make)
    attribute.__set_name__(cls, name)
    setattr(cls, name, attribute)


class RememberedMatches:
    """Mixed into a handler's class: what a path without parameters resolves to is remembered.

    Only where the path alone decides: no language, no converter or pattern of the project's own, no URLconf of the
    request's. Every request gets a match of its own.
    """

    # The resolver asked last, and what it said; None: it must be asked each time. One attribute, for threads.
    _remembered: tuple[URLResolver | None, dict[str, ResolverMatch] | None] = (None, None)
    # Set by the handler: called with (request, match) of a request that has a URLconf of its own, and of every one
    # where a middleware may change paths.
    turnout_seen: Callable[[Any, ResolverMatch], None] | None = None
    turnout_sees_all = False

    def resolve_request(self, request: Any) -> ResolverMatch:
        """BaseHandler.resolve_request."""
        match = self._resolved(request)
        incoming = getattr(request, "turnout", None)
        if incoming is None:
            # Somebody else made the request: a handler with replaced methods, or one inside another application.
            incoming = request.turnout = current_scope.get()
        if incoming is not None:
            # Module and name, as Django has it in its own messages.
            incoming.resolved(getattr(match, "_func_path", "(a view without a name)"))
        if self.turnout_seen is not None and (self.turnout_sees_all or hasattr(request, "urlconf")):
            self.turnout_seen(request, match)
        return match

    def _resolved(self, request: Any) -> ResolverMatch:
        if hasattr(request, "urlconf"):
            return super().resolve_request(request)  # type: ignore[misc]
        resolver = get_resolver()
        of, matches = self._remembered
        if resolver is not of:
            matches = {} if _may_be_remembered(resolver) else None
            self._remembered = (resolver, matches)
        if matches is None:
            return super().resolve_request(request)  # type: ignore[misc]
        known = matches.get(request.path_info)
        if known is not None:
            match = request.resolver_match = _copy(known)
            return match
        match = super().resolve_request(request)  # type: ignore[misc]
        if type(match) is ResolverMatch and not match.args and not match.kwargs and len(matches) < _PATHS:
            matches[request.path_info] = _copy(match)
        return match


def _copy(match: ResolverMatch) -> ResolverMatch:
    copy = ResolverMatch.__new__(ResolverMatch)
    copy.__dict__.update(match.__dict__)
    # What a view or a middleware might put something into.
    copy.kwargs, copy.captured_kwargs, copy.extra_kwargs = {}, {}, {}
    return copy


def _may_be_remembered(resolver: URLResolver) -> bool:
    return not vetting.unvetted([_RESOLVE]) and routes.depends_on_path_alone(resolver)
