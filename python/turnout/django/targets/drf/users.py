"""Who the user of a request is, as far as it can be told without asking a database, and what asking one would run."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_login_failed
from django.db import models
from django.db.models import signals
from django.utils.functional import SimpleLazyObject, empty

from turnout.django import vetting
from turnout.django.hooks.sessions import is_at_hand
from turnout.django.hooks.users import _asks_django, _nobody_in

# What hashes cover of finding nobody in a session: the same as LoginRequiredMiddleware's question.
_FINDING_NOBODY = "django.contrib.auth.middleware.LoginRequiredMiddleware.process_view"
_BACKENDS = "django.contrib.auth.backends."
_HASHERS = "django.contrib.auth.hashers."
_ENGINES = ("django.db.backends.", "django.contrib.gis.db.backends.")
_CACHES = "django.core.cache.backends."
_SESSION_ENGINES = "django.contrib.sessions.backends."
# Called by nobody but templates, the admin and error messages.
_SHOWN = frozenset(
    ("__str__", "__repr__", "get_absolute_url", "get_full_name", "get_short_name", "email_user", "clean", "__module__")
)

#: The user whom nobody is logged in as.
NOBODY = AnonymousUser


class Unknown(Exception):
    """Not to be told here: the reason in words, and whether only code that was read would find out."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.foreign = bool(why)


def at_hand(http: Any) -> Any:
    """The user that `request.user` of Django's request gives without blocking: an object, or the class NOBODY."""
    user = http.__dict__.get("user")
    if type(user) is not SimpleLazyObject:
        return NOBODY if user is None or type(user) is AnonymousUser else user
    if user._wrapped is not empty:
        found = user._wrapped
    elif not _asks_django(user) or vetting.unvetted([_FINDING_NOBODY]):
        raise Unknown("request.user is not AuthenticationMiddleware's")
    elif hasattr(http, "_cached_user"):
        found = http._cached_user
    elif _finds_nobody(http):
        return NOBODY
    else:
        raise Unknown(_session(http) or loading())
    return NOBODY if found is None or type(found) is AnonymousUser else found


def _finds_nobody(http: Any) -> bool:
    """The question leaves its mark on a session, and the request may end before anybody asks it in earnest."""
    session = http.__dict__.get("session")
    if session is None:
        return False
    before = session.__dict__.copy()
    try:
        return _nobody_in(http)
    finally:
        session.__dict__.clear()
        session.__dict__.update(before)


def _session(http: Any) -> str:
    """Why reading the session would run code of the project's."""
    session = http.__dict__.get("session")
    if session is None or is_at_hand(session):
        return ""
    if not type(session).__module__.startswith(_SESSION_ENGINES):
        return "SESSION_ENGINE"
    if not settings.SESSION_SERIALIZER.startswith("django."):
        return "SESSION_SERIALIZER"
    return elsewhere()


def elsewhere() -> str:
    """Why asking a database or a cache would run code of the project's, whatever it is asked."""
    if settings.DATABASE_ROUTERS:
        return "DATABASE_ROUTERS"
    if not all(config["ENGINE"].startswith(_ENGINES) for config in settings.DATABASES.values()):
        return "an ENGINE of DATABASES"
    for config in settings.CACHES.values():
        if config.get("KEY_FUNCTION") or not config["BACKEND"].startswith(_CACHES):
            return "CACHES"
    return ""


def loading() -> str:
    """Why loading the logged in user from the database would."""
    model = get_user_model()
    return _backends() or elsewhere() or model_code(model) or _heard(model, signals.pre_init, signals.post_init)


def checking() -> str:
    """Why checking a name and a password would: that may store a better hash, or report a failure."""
    model = get_user_model()
    if not all(path.startswith(_HASHERS) for path in settings.PASSWORD_HASHERS):
        return "PASSWORD_HASHERS"
    if user_login_failed.receivers:
        return "a receiver of user_login_failed"
    return loading() or _heard(model, signals.pre_save, signals.post_save)


def _backends() -> str:
    return "" if all(path.startswith(_BACKENDS) for path in settings.AUTHENTICATION_BACKENDS) else "a backend"


def _heard(model: Any, *heard: Any) -> str:
    return "a receiver of the user's signals" if any(signal.has_listeners(model) for signal in heard) else ""


def reading(model: Any) -> str:
    """Why reading rows of a model would, for one that is not the user's."""
    return elsewhere() or model_code(model) or _heard(model, signals.pre_init, signals.post_init)


@cache
def model_code(model: Any) -> str:
    """What a model brings of its own into reading it; new fields of Django's kinds are nothing."""
    for cls in model.__mro__:
        if cls is object or cls.__module__.startswith(("django.", "rest_framework.")):
            continue
        base = AbstractBaseUser if issubclass(model, AbstractBaseUser) else models.Model
        for name, value in cls.__dict__.items():
            known = hasattr(base, name) or name.startswith(("is_", "has_", "get_"))
            if known and name not in _SHOWN and isinstance(value, (FunctionType, property, classmethod, staticmethod)):
                return f"{cls.__qualname__}.{name}"
    for field in model._meta.get_fields():
        if not type(field).__module__.startswith("django."):
            return f"{model.__qualname__}.{field.name}"
    manager = model._default_manager
    for kind in (type(manager), manager._queryset_class):
        if not _is_djangos(kind):
            return f"{model.__qualname__}'s manager"
    return ""


def _is_djangos(kind: type) -> bool:
    # Manager.from_queryset makes classes in the name of their caller.
    return kind.__module__.startswith("django.")


def answers_plainly(kind: type, name: str) -> bool:
    """Whether an attribute of a user is what Django makes of it: a field, a constant or a function of its own."""
    if kind is NOBODY or kind is type(None):
        return True
    for cls in kind.__mro__:
        if name in cls.__dict__:
            value = cls.__dict__[name]
            if isinstance(value, (bool, type(None))):
                return True
            home = type(value) if not isinstance(value, (property, FunctionType)) else value
            home = home.fget if isinstance(home, property) else home
            return getattr(home, "__module__", "").startswith("django.")
    return False
