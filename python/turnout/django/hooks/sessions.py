"""SessionMiddleware and MessageMiddleware: nothing that loads or saves runs on the loop."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage

from turnout.django.hooks.verdicts import Vetted

_SESSION_ENGINES = frozenset(
    f"django.contrib.sessions.backends.{name}" for name in ("db", "cache", "cached_db", "file", "signed_cookies")
)
_MESSAGE_STORAGES = (CookieStorage, FallbackStorage, SessionStorage)


def session(middleware: Any) -> Vetted | None:
    """Known engines make a store without I/O; saving it is another matter."""
    store = middleware.SessionStore
    if not is_djangos(store):
        return None
    cookies_only = _is_cookie(store)

    def untouched(request: Any, response: Any) -> bool:
        session = getattr(request, "session", None)
        if type(session) is not store:
            return session is None
        # is_empty() looks at the key and what is loaded; it never loads.
        return cookies_only or not (
            (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty()
        )

    return Vetted(True, untouched)


def is_at_hand(session: Any) -> bool:
    """Whether reading a session loads nothing: it was read, or has nothing to read, or came with the request."""
    store = type(session)
    return is_djangos(store) and (hasattr(session, "_session_cache") or not session.session_key or _is_cookie(store))


def is_djangos(store: type) -> bool:
    """Whether a class of sessions is one of Django's five."""
    return store.__module__ in _SESSION_ENGINES and store.__qualname__ == "SessionStore"


def _is_cookie(store: type) -> bool:
    return store.__module__.endswith(".signed_cookies")


def foreign_engine() -> str:
    """For the banner: an engine that nobody here has read."""
    return (
        ""
        if settings.SESSION_ENGINE in _SESSION_ENGINES
        else f"SESSION_ENGINE {settings.SESSION_ENGINE} is not Django's"
    )


def foreign_storage() -> str:
    """For the banner: a storage that nobody here has read."""
    known = settings.MESSAGE_STORAGE in _storages()
    return "" if known else f"MESSAGE_STORAGE {settings.MESSAGE_STORAGE} is not Django's"


def messages(middleware: Any) -> Vetted | None:
    """Known storages are made without I/O."""
    return Vetted(True, _no_messages) if settings.MESSAGE_STORAGE in _storages() else None


def _storages() -> set[str]:
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in _MESSAGE_STORAGES}


def _no_messages(request: Any, response: Any) -> bool:
    storage = getattr(request, "_messages", None)
    if type(storage) not in _MESSAGE_STORAGES:
        return storage is None
    return not (storage.used or storage.added_new) or type(storage) is CookieStorage
