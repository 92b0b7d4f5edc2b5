"""Who the user of a request is, as far as it can be told without asking a database, and what asking one would run.

Every reason is why code of the project's would run, in words; empty when none would.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_login_failed
from django.db import DEFAULT_DB_ALIAS
from django.utils.functional import SimpleLazyObject, empty

from turnout.django import vetting
from turnout.django.hooks.sessions import is_at_hand, is_djangos
from turnout.django.hooks.users import asks_django, nobody_in
from turnout.django.targets import databases, models
from turnout.django.targets.provenance import runs_foreign_code

# What hashes cover of finding nobody in a session: the same as LoginRequiredMiddleware's question.
_FINDING_NOBODY = "django.contrib.auth.middleware.LoginRequiredMiddleware.process_view"
_BACKENDS = "django.contrib.auth.backends."
_HASHERS = "django.contrib.auth.hashers."
_CACHES = "django.core.cache.backends."
# What Django's backends and sessions ask of a user and of its manager, besides what the ORM does.
_ASKED_WHEN_LOADED = ("is_active", "get_session_auth_hash", "get_session_auth_fallback_hash", "_get_session_auth_hash")
_ASKED_WHEN_CHECKED = ("check_password", "set_password", "has_usable_password")

#: The user whom nobody is logged in as.
NOBODY = AnonymousUser


class Unknown(Exception):
    """Not to be told here; `foreign`: nor would only code that was read find out."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.foreign = bool(why)


def at_hand(http: Any) -> Any:
    """The user that `request.user` of Django's request gives without blocking: an object, or the class NOBODY."""
    user = http.__dict__.get("user")
    if type(user) is not SimpleLazyObject:
        found = user
    elif user._wrapped is not empty:
        found = user._wrapped
    elif not asks_django(user) or finding_was_not_read():
        raise Unknown("request.user is not AuthenticationMiddleware's")
    elif hasattr(http, "_cached_user"):
        found = http._cached_user
    elif _finds_nobody(http):
        return NOBODY
    else:
        raise Unknown(_session(http) or loading())
    return NOBODY if found is None or type(found) is AnonymousUser else found


@cache
def finding_was_not_read() -> str:
    """Whether Django's way to find the user is another one: hashing takes a millisecond, so it is done at the start."""
    return vetting.unvetted([_FINDING_NOBODY])


def _finds_nobody(http: Any) -> bool:
    """The question leaves its mark on a session, and the request may end before anybody asks it in earnest."""
    session = http.__dict__.get("session")
    if session is None:
        return False
    before = session.__dict__.copy()
    try:
        return nobody_in(http)
    finally:
        session.__dict__.clear()
        session.__dict__.update(before)


def _session(http: Any) -> str:
    """About reading the session."""
    session = http.__dict__.get("session")
    if session is None or is_at_hand(session):
        return ""
    if not is_djangos(type(session)):
        return "SESSION_ENGINE"
    if not settings.SESSION_SERIALIZER.startswith("django."):
        return "SESSION_SERIALIZER"
    return keeping() or databases.why_not(DEFAULT_DB_ALIAS)


def keeping() -> str:
    """About asking a cache anything."""
    for alias, config in settings.CACHES.items():
        if config.get("KEY_FUNCTION") or not config["BACKEND"].startswith(_CACHES):
            return f"the cache {alias!r}"
    return ""


def reading(model: Any) -> str:
    """About reading rows of a model."""
    return models.reads(model) or databases.why_not(DEFAULT_DB_ALIAS)


def loading() -> str:
    """About loading the logged in user from the database."""
    if not all(path.startswith(_BACKENDS) for path in settings.AUTHENTICATION_BACKENDS):
        return "AUTHENTICATION_BACKENDS"
    model = get_user_model()
    return reading(model) or _redefines(model, _ASKED_WHEN_LOADED)


def checking() -> str:
    """About checking a name and a password: that may store a better hash, or report a failure."""
    if not all(path.startswith(_HASHERS) for path in settings.PASSWORD_HASHERS):
        return "PASSWORD_HASHERS"
    if user_login_failed.receivers:
        return "a receiver of user_login_failed"
    model = get_user_model()
    manager = type(model._default_manager)
    return (
        loading()
        or models.saves(model)
        or _redefines(model, _ASKED_WHEN_CHECKED)
        or _redefines(manager, ("get_by_natural_key",))
    )


@cache
def _redefines(kind: type, names: tuple[str, ...]) -> str:
    return next((f"{kind.__qualname__}.{name}" for name in names if not answers_plainly(kind, name)), "")


@cache
def answers_plainly(kind: type, name: str) -> bool:
    """Whether an attribute of a user is what Django makes of it: a field, a constant or a function of its own."""
    return kind in (NOBODY, type(None)) or not runs_foreign_code(inspect.getattr_static(kind, name, None))
