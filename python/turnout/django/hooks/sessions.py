"""SessionMiddleware and MessageMiddleware: nothing that loads or saves runs on the loop."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.middleware import SessionMiddleware

from turnout.django.hooks.verdicts import Vetted

_SESSION_ENGINES = frozenset(
    f"django.contrib.sessions.backends.{name}" for name in ("db", "cache", "cached_db", "file", "signed_cookies")
)
_MESSAGE_STORAGES = (CookieStorage, FallbackStorage, SessionStorage)


def session(middleware: SessionMiddleware) -> Vetted | None:
    """Known engines make a store without I/O; saving it is another matter."""
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


def messages(middleware: MessageMiddleware) -> Vetted | None:
    """Known storages are made without I/O."""
    known = {f"{cls.__module__}.{cls.__qualname__}" for cls in _MESSAGE_STORAGES}
    if settings.MESSAGE_STORAGE not in known:
        return None
    return Vetted(True, _no_messages)


def _no_messages(request: Any, response: Any) -> bool:
    storage = getattr(request, "_messages", None)
    if type(storage) not in _MESSAGE_STORAGES:
        return storage is None
    return not (storage.used or storage.added_new) or type(storage) is CookieStorage
