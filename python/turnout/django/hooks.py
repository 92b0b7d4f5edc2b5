"""The hooks of startproject's seven middleware, and when each may run on the event loop.

A hook is inline only while it is the function Django shipped (vetting.py) and its condition says that nothing it does
for this request can block: no database, no cache, no file, no e-mail, no template. In doubt: the request's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls.converters import DEFAULT_CONVERTERS, get_converters
from django.utils.deprecation import MiddlewareMixin

from turnout.django import vetting
from turnout.django.layers import Rejected, When

log = logging.getLogger("turnout.django")

_SESSION_ENGINES = frozenset(
    f"django.contrib.sessions.backends.{name}" for name in ("db", "cache", "cached_db", "file", "signed_cookies")
)
_MESSAGE_STORAGES = (CookieStorage, FallbackStorage, SessionStorage)
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
# A form of this size is parsed in well under a millisecond; larger ones go to the thread.
_FORM_INLINE_BYTES = 16 * 1024


class Vetted(NamedTuple):
    """When the two hooks of one middleware instance may run on the loop."""

    request: When
    response: When


class VettedView(NamedTuple):
    """When a view hook may run on the loop, and what to call there."""

    when: When
    inline: Callable[..., Any]


def vetted(middleware: Any) -> Vetted | None:
    """The verdict about one instance; None: both hooks go to the thread."""
    home, rules = _rules_of(type(middleware))
    if home is None or why_not_class(type(middleware)):
        return None
    return rules(middleware)


def why_not_class(kind: type) -> str:
    """Why the hooks of a middleware class hop; empty when they are vetted."""
    home, _ = _rules_of(kind)
    if home is None:
        return "not vetted"
    overridden = _overrides(kind, home)
    if overridden:
        return f"{kind.__qualname__} overrides {', '.join(overridden)}"
    names = [name for name in ("process_request", "process_response") if hasattr(home, name)]
    return vetting.verdict([f"{home.__module__}.{home.__qualname__}.{name}" for name in names])


def view_hook(method: Any) -> VettedView | None:
    """The verdict about a process_view method (bound, or wrapped by Sentry)."""
    bound = getattr(method, "__wrapped__", method)
    middleware = getattr(bound, "__self__", None)
    if not isinstance(middleware, CsrfViewMiddleware) or getattr(bound, "__name__", "") != "process_view":
        return None
    if method is not bound and not _is_sentrys(method):
        return None
    if _overrides(type(middleware), CsrfViewMiddleware):
        return None
    if vetting.verdict(["django.middleware.csrf.CsrfViewMiddleware.process_view"]):
        return None
    if method is not bound:
        return VettedView(_csrf_accepts, method)
    return VettedView(_csrf_view, _csrf_inline(middleware))


def seen_through(middleware: Any) -> Any:
    """The instance inside Sentry's wrapper, else the instance itself."""
    inner = getattr(middleware, "_inner", None)
    if inner is not None and any(cls.__qualname__.endswith("SentryASGIMixin") for cls in type(middleware).__mro__):
        return inner
    return middleware


def _is_sentrys(method: Any) -> bool:
    return method.__code__.co_filename.replace("\\", "/").endswith("sentry_sdk/integrations/django/middleware.py")


def _rules_of(kind: type) -> tuple[type | None, Any]:
    for home, rules in _RULES.items():
        if issubclass(kind, home):
            return home, rules
    return None, None


def _overrides(kind: type, home: type) -> list[str]:
    """What a subclass (up to the built-in) defines besides data; nothing for the built-in itself."""
    found: list[str] = []
    for cls in kind.__mro__:
        if cls is home:
            break
        if cls in (MiddlewareMixin, object):
            continue
        found += [
            name
            for name, value in cls.__dict__.items()
            if name not in ("__module__", "__doc__", "__qualname__", "__firstlineno__", "__static_attributes__")
            and not isinstance(value, type)
            and (callable(value) or hasattr(value, "__get__"))
        ]
    return found


# --- the conditions, as docs/concepts/middleware.md tables them ---


def _session(middleware: SessionMiddleware) -> Vetted | None:
    store = middleware.SessionStore
    if store.__module__ not in _SESSION_ENGINES or store.__qualname__ != "SessionStore":
        return None
    cookies_only = store.__module__.endswith(".signed_cookies")

    def untouched(request: Any, response: Any) -> bool:
        session = getattr(request, "session", None)
        if type(session) is not store:
            return session is None
        # is_empty() looks at the key and what is loaded; it never loads.
        return cookies_only or not (
            (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty()
        )

    return Vetted(True, untouched)


def _common(middleware: CommonMiddleware) -> Vetted:
    return Vetted(_no_www, _no_blocking_404)


def _no_www(request: Any) -> bool:
    return not settings.PREPEND_WWW or only_own_converters()


def _no_blocking_404(request: Any, response: Any) -> bool:
    if response.status_code == 404:
        return only_own_converters()
    return response.streaming or type(response).content is HttpResponse.content


def only_own_converters() -> bool:
    """Whether every registered path converter is one of Django's: others may ask the database when a URL is tried."""
    return get_converters().keys() == DEFAULT_CONVERTERS.keys() and all(
        type(converter) is type(DEFAULT_CONVERTERS[name]) for name, converter in get_converters().items()
    )


def _csrf(middleware: CsrfViewMiddleware) -> Vetted:
    return Vetted(_csrf_request, _csrf_response)


def _csrf_request(request: Any) -> bool:
    if not settings.CSRF_USE_SESSIONS:
        return True
    session = getattr(request, "session", None)
    return session is None or hasattr(session, "_session_cache") or not session.session_key


def _csrf_response(request: Any, response: Any) -> bool:
    return not settings.CSRF_USE_SESSIONS or not request.META.get("CSRF_COOKIE_NEEDS_UPDATE")


def _csrf_accepts(request: Any, callback: Any) -> bool:
    """Requests that process_view lets through without a look at their body, their token or their origin."""
    return (
        request.method in _SAFE_METHODS
        or getattr(request, "csrf_processing_done", False)
        or getattr(callback, "csrf_exempt", False)
    )


def _csrf_view(request: Any, callback: Any) -> bool:
    if _csrf_accepts(request, callback):
        return True
    if not _csrf_request(request):
        return False
    if request.method != "POST" or hasattr(request, "_post"):
        return True
    if request.content_type == "multipart/form-data":
        return False
    if request.content_type != "application/x-www-form-urlencoded":
        return True
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and int(length) <= _FORM_INLINE_BYTES and hasattr(request, "_stream")


class _Rejection(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


class _CsrfProbe(CsrfViewMiddleware):
    """Django's checks as they are, but a rejection is reported instead of rendered (templates, logging: a thread)."""

    def _reject(self, request: Any, reason: str) -> Any:
        raise _Rejection(reason)


def _csrf_inline(middleware: CsrfViewMiddleware) -> Callable[..., Any]:
    probe = _CsrfProbe.__new__(_CsrfProbe)
    # Shared on purpose: the cached origins belong to the instance in the chain.
    probe.__dict__ = middleware.__dict__
    check = probe.process_view

    def process_view(request: Any, callback: Any, args: Any, kwargs: Any) -> Any:
        try:
            return check(request, callback, args, kwargs)
        except _Rejection as rejection:
            reason = rejection.reason
        return Rejected(lambda request: middleware._reject(request, reason))

    return process_view


def _messages(middleware: MessageMiddleware) -> Vetted | None:
    known = {f"{cls.__module__}.{cls.__qualname__}" for cls in _MESSAGE_STORAGES}
    if settings.MESSAGE_STORAGE not in known:
        return None
    return Vetted(True, _no_messages)


def _no_messages(request: Any, response: Any) -> bool:
    storage = getattr(request, "_messages", None)
    if type(storage) not in _MESSAGE_STORAGES:
        return storage is None
    return not (storage.used or storage.added_new) or type(storage) is CookieStorage


def _always(middleware: Any) -> Vetted:
    return Vetted(True, True)


_RULES: dict[type, Callable[[Any], Vetted | None]] = {
    SecurityMiddleware: _always,
    SessionMiddleware: _session,
    CommonMiddleware: _common,
    CsrfViewMiddleware: _csrf,
    MessageMiddleware: _messages,
    XFrameOptionsMiddleware: _always,
}
# Its module imports models, which only a project that has them installed may do.
if apps.is_installed("django.contrib.auth"):
    from django.contrib.auth.middleware import AuthenticationMiddleware

    _RULES[AuthenticationMiddleware] = _always

# What lifecycle.py does in their place while only they listen.
LIFECYCLE = (
    "django.db.reset_queries",
    "django.db.close_old_connections",
    "django.core.cache.close_caches",
    "django.core.handlers.base.reset_urlconf",
    "django.http.response.HttpResponseBase.close",
    "django.http.request.HttpRequest.close",
    "django.core.handlers.asgi.ASGIRequest.close",
)

# Every function that turnout vouches for or stands in for: what vetting.py keeps hashes of. The constructor is here
# because a request may be built without calling it (requests.py).
HOOKS = (
    *(
        f"{home.__module__}.{home.__qualname__}.{name}"
        for home in _RULES
        for name in ("process_request", "process_response", "process_view")
        if hasattr(home, name)
    ),
    *LIFECYCLE,
    "django.core.handlers.asgi.ASGIRequest.__init__",
    "django.core.handlers.base.BaseHandler.get_response",
)
