"""Which track a request takes: guessed from the URLconf before any middleware runs, verified when the view is known.

Both chains run both kinds of view, so a wrong guess costs time, never the result. What Rust cannot decide from the flat
routes comes here, on the loop; what turned out different from the guess is remembered, for a bounded number of paths.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host
from django.urls import Resolver404, get_resolver
from django.urls.resolvers import URLResolver
from django.utils import translation
from django.utils.module_loading import import_string

from turnout.django import routes
from turnout.django.asynctrack import is_async_view
from turnout.django.routes import ASYNC, SYNC, Route

if TYPE_CHECKING:
    from turnout.django.handler import DjangoHandler

log = logging.getLogger("turnout.django")

LEARNED_MAX = 1024
# Packages whose middleware leave the URLconf and the path of a request alone.
_HARMLESS = ("django.", "whitenoise.", "corsheaders.", "csp.", "waffle.", "sentry_sdk.", "opentelemetry.", "turnout.")
# A middleware whose module speaks of these may send a request elsewhere than its path says.
_TELLTALES = ("urlconf", "path_info")


class Decisions:
    """Guesses and what was learned, for one worker."""

    def __init__(self, handler: DjangoHandler) -> None:
        self._handler = handler
        self.mistaken = 0
        self._learned: dict[tuple[str, str], int] = {}
        self._rerouting: list[str] | None = None
        self._async_only: bool | None = None

    @property
    def urlconf(self) -> str:
        """What Django resolves with while no middleware says otherwise."""
        request_class = getattr(self._handler.application, "request_class", None)
        return getattr(request_class, "urlconf", None) or settings.ROOT_URLCONF

    @property
    def resolver(self) -> URLResolver:
        """Django's own cached resolver: a changed ROOT_URLCONF makes another one."""
        return get_resolver(self.urlconf)

    def routes(self) -> list[Route]:
        """The flat URLconf, or one undecided entry where a middleware may choose another URLconf."""
        if not self._handler.known:
            return [("", ASYNC)]
        if self.async_only_middleware():
            return [("", ASYNC)]
        if self.rerouting():
            return [(None, SYNC)]
        return routes.flatten(self.resolver, is_async_view)

    def views(self) -> tuple[int, int]:
        """How many sync and async views the URLconf has."""
        kinds = [is_async_view(view) for view in routes.views(self.resolver)]
        return kinds.count(False), kinds.count(True)

    def decide(self, path: str, host: str | None) -> tuple[int, bool, str]:
        """(track, whether it may be remembered for this host and path, the route; none where there is no view)."""
        if self.async_only_middleware():
            return ASYNC, True, ""
        route, guess = contextvars.copy_context().run(self._resolve, path)
        known = self._learned.get((host or "", route))
        if known is not None:
            return known, True, route
        if guess is None:
            # 404 page, slash redirect, flat page: all want a thread. Never remembered: there is no end of such paths.
            return SYNC, False, ""
        if self.rerouting():
            # The async chain finds out at the cost of a hop; `verify` then remembers.
            return ASYNC, False, route
        return guess, self._host_is_ours(host), route

    def verify(self, request: Any, is_async: bool) -> None:
        """The view of a request is of the other kind than its track. Called by both chains; remembered by route."""
        self.mistaken += 1
        host = request.META.get("HTTP_HOST", "")
        if not self._host_is_ours(host):
            return
        route, _ = contextvars.copy_context().run(self._resolve, "/" + request.path_info.lstrip("/"))
        if len(self._learned) >= LEARNED_MAX:
            # Hosts and routes are the client's choice too: the table must not grow with them.
            self._learned.clear()
        self._learned[host, route] = ASYNC if is_async else SYNC

    def rerouting(self) -> list[str]:
        """The middleware that may set `request.urlconf` or change the path."""
        if self._rerouting is None:
            self._rerouting = [path for path in settings.MIDDLEWARE if _may_reroute(path)]
        return self._rerouting

    def async_only_middleware(self) -> bool:
        """Whether some middleware cannot run in the sync chain without a detour over the loop."""
        if self._async_only is None:
            self._async_only = any(_is_async_only(path) for path in settings.MIDDLEWARE)
        return self._async_only

    def _resolve(self, path: str) -> tuple[str, int | None]:
        """The route of a path and the track of its view; no track: no view, and the path in place of a route."""
        if settings.USE_I18N and routes.needs_language(self.resolver):
            translation.activate(translation.get_language_from_path(path) or settings.LANGUAGE_CODE)
        try:
            match = self.resolver.resolve(path)
        except Resolver404:
            return path, None
        except Exception:
            # A converter that asks the database may not do so here; the thread may. The route stays unknown.
            return "", SYNC
        return match.route or "", ASYNC if is_async_view(match.func) else SYNC

    @staticmethod
    def _host_is_ours(host: str | None) -> bool:
        allowed = settings.ALLOWED_HOSTS
        if settings.DEBUG and not allowed:
            allowed = [".localhost", "127.0.0.1", "[::1]"]
        domain, _ = split_domain_port(host or "")
        return bool(domain) and validate_host(domain, allowed)


def _import(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"MIDDLEWARE: {error}") from error


def _is_async_only(path: str) -> bool:
    middleware = _import(path)
    return not getattr(middleware, "sync_capable", True) and getattr(middleware, "async_capable", False)


def _may_reroute(path: str) -> bool:
    """Read from the source: this is about speed only, so a middleware that hides it well costs time, nothing else."""
    middleware = _import(path)
    module = getattr(middleware, "__module__", "") or ""
    if f"{module}.".startswith(_HARMLESS):
        return False
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return True
    return any(word in source for word in _TELLTALES)
