"""Which track a request takes: guessed from the URLconf before any middleware runs, verified when the view is known.

Both chains run both kinds of view, so a wrong guess costs time, never the result. What Rust cannot decide from the flat
routes comes here, on the loop; what turned out different from the guess is remembered, for a bounded number of paths.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import get_path_info
from django.http.request import split_domain_port, validate_host
from django.urls import get_resolver
from django.urls.resolvers import ResolverMatch, URLResolver
from django.utils import translation
from django.utils.module_loading import import_string

from turnout.django import routes
from turnout.django.asynctrack import is_async_view
from turnout.django.routes import ASYNC, SYNC, Route
from turnout.django.search import Search

if TYPE_CHECKING:
    from turnout._turnout import RouteTable
    from turnout.django.handler import DjangoHandler

log = logging.getLogger("turnout.django")

LEARNED_MAX = 1024
# In place of a route that only a thread can find out.
_UNKNOWN = "(unknown)"
# Packages whose middleware leave the URLconf and the path of a request alone.
_HARMLESS = ("django.", "whitenoise.", "corsheaders.", "csp.", "waffle.", "sentry_sdk.", "opentelemetry.", "turnout.")
# A middleware whose module speaks of these may send a request elsewhere than its path says.
_TELLTALES = ("urlconf", "path_info")


class Decisions:
    """Guesses and what was learned, for one worker."""

    def __init__(self, handler: DjangoHandler) -> None:
        self._handler = handler
        self.mistaken = 0
        # What the requests of a host and route turned out to be; None: now this, now that.
        self._learned: dict[tuple[str, str], int | None] = {}
        # The URLconf that a middleware last gave a request of this host.
        self._urlconfs: dict[str, Any] = {}
        self._table: RouteTable | None = None
        self._needs_language: tuple[URLResolver | None, bool] = (None, False)
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

    def routes_are_in(self, table: RouteTable) -> None:
        """Rust guesses from what `routes` said; it is told when such a guess was wrong."""
        self._table = table

    def views(self) -> tuple[int, int]:
        """How many sync and async views the URLconf has."""
        kinds = [is_async_view(view) for view in routes.views(self.resolver)]
        return kinds.count(False), kinds.count(True)

    def decide(self, path: str, host: str | None) -> tuple[int, bool, str]:
        """(track, whether it may be remembered for this host and path, the route; none where there is no view)."""
        if self.async_only_middleware():
            return ASYNC, True, ""
        host = host or ""
        route, guess = self._guess(path, host)
        if (host, route) in self._learned:
            known = self._learned[host, route]
            # The async chain finds out at the cost of a hop; the sync one would hold a thread while a view waits.
            return (ASYNC if known is None else known), True, route
        if guess is None:
            # 404 page, slash redirect, flat page: all want a thread. Never remembered: there is no end of such paths.
            return SYNC, False, ""
        if self.rerouting() and host not in self._urlconfs:
            return ASYNC, False, route
        return guess, self._host_is_ours(host), route

    def seen(self, request: Any, match: ResolverMatch) -> None:
        """What a request resolved to, where a middleware may have sent it elsewhere than its path says."""
        urlconf = getattr(request, "urlconf", None)
        if urlconf is not None and not self.rerouting() and urlconf != self.urlconf:
            self._rerouting = ["a middleware that does not show it"]
            if self._table is not None:
                self._table.doubt_all()
        host = request.META.get("HTTP_HOST", "")
        if not self._host_is_ours(host):
            return
        if isinstance(urlconf, (str, ModuleType)) and self._urlconfs.get(host) != urlconf:
            _make_room(self._urlconfs)
            self._urlconfs[host] = urlconf
        path = self._path_of(request)
        track = ASYNC if is_async_view(match.func) else SYNC
        if request.path_info == path and urlconf == self._urlconfs.get(host):
            # What a search would find was found.
            route, guess = match.route or "/", track
        else:
            route, guess = self._guess(path, host)
        known = self._learned.get((host, route), guess)
        # One that has no view by its path alone is remembered when it went wrong: there is no end of such paths.
        if guess is not None and self._learn(host, route, track) and known != track:
            self._doubt(path)

    def verify(self, request: Any, is_async: bool) -> None:
        """The view of a request is of the other kind than its track. Called by both chains; remembered by route."""
        self.mistaken += 1
        if self.async_only_middleware():
            return
        host = request.META.get("HTTP_HOST", "")
        if not self._host_is_ours(host):
            return
        path = self._path_of(request)
        route, _ = self._guess(path, host)
        changed = self._learn(host, route, ASYNC if is_async else SYNC)
        if changed or self._learned.get((host, route)) is not None:
            self._doubt(path)

    def _learn(self, host: str, route: str, track: int) -> bool:
        """Whether it changes anything."""
        key = (host, route)
        if key not in self._learned:
            _make_room(self._learned)
            self._learned[key] = track
            return True
        if self._learned[key] in (track, None):
            return False
        self._learned[key] = None
        return True

    def _doubt(self, path: str) -> None:
        if self._table is not None:
            self._table.doubt(path)

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

    def _guess(self, path: str, host: str) -> tuple[str, int | None]:
        """The route of a path and the track of its view; no track: no view, and the path in place of a route."""
        return contextvars.copy_context().run(self._search, path, self._urlconfs.get(host))

    def _search(self, path: str, urlconf: Any) -> tuple[str, int | None]:
        resolver = get_resolver(urlconf) if urlconf is not None else self.resolver
        of, needs_language = self._needs_language
        if of is not resolver:
            needs_language = settings.USE_I18N and routes.needs_language(resolver)
            self._needs_language = (resolver, needs_language)
        if needs_language:
            translation.activate(translation.get_language_from_path(path) or settings.LANGUAGE_CODE)
        try:
            found = Search(resolver, path)
        except Exception:
            # A pattern of the project's own that asks the database may not do so here; the thread may.
            return _UNKNOWN, SYNC
        if found.view is None:
            return path, None
        # Django has no text for the route of path("").
        return found.route or "/", ASYNC if is_async_view(found.view) else SYNC

    def _path_of(self, request: Any) -> str:
        """The path that came, whatever a middleware made of it."""
        if self._handler.request_kind == "wsgi":
            return get_path_info(request.META)
        path = request.META["PATH_INFO"]
        return path if path.startswith("/") else f"/{path}"

    @staticmethod
    def _host_is_ours(host: str | None) -> bool:
        allowed = settings.ALLOWED_HOSTS
        if settings.DEBUG and not allowed:
            allowed = [".localhost", "127.0.0.1", "[::1]"]
        domain, _ = split_domain_port(host or "")
        return bool(domain) and validate_host(domain, allowed)


def _make_room(table: dict[Any, Any]) -> None:
    # Hosts and routes are the client's choice too: the table must not grow with them.
    if len(table) >= LEARNED_MAX:
        table.clear()


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
