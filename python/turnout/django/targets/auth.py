"""Judges of Django's auth: its own backends, its hashers, and the model of the project's users as the ORM sees it.

`aauthenticate`, `alogin`, `auser` and their kin ask sessions and the ORM, whose judges answer. Here are the calls that
they, the decorators and the project itself put on a thread. Hashing in `acheck_password` has no judge: Django does it
on the loop or on a thread of asyncio's own, where nothing is kept.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from types import FunctionType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, signals
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import AnonymousUser, Group, Permission, PermissionsMixin, update_last_login
from django.contrib.contenttypes.models import ContentType
from django.db.models.query_utils import DeferredAttribute
from django.http import HttpRequest

from turnout.django.targets import Judge, Runs, caches, databases, models, orm, sessions
from turnout.django.targets.functions import AUTH_CONSTANTS, AUTH_HASHERS, AUTH_PERMISSIONS, AUTH_REQUESTS
from turnout.django.targets.listeners import Listeners
from turnout.django.targets.provenance import foreign, overridden
from turnout.django.targets.registry import captured, register, register_nested, verdict

_Args = tuple[Any, ...]
_Named = dict[str, Any]

_BACKENDS = "django.contrib.auth.backends."
_HASHERS = "django.contrib.auth.hashers."
_SHOWN = frozenset(("__str__", "__repr__", "clean", "natural_key", "save", "asave", "is_active", "REQUIRED_FIELDS"))
_TOLD = tuple(map(Listeners, (signals.user_logged_in, signals.user_logged_out, signals.user_login_failed)))


def _constant(args: _Args, named: _Named) -> Runs:
    """What a backend without an opinion answers."""
    return Runs.ON_LOOP


# --- the decorators ---


def _is_somebody(args: _Args, named: _Named, function: FunctionType) -> Runs:
    """`login_required`: whether the user is one."""
    known = (AbstractBaseUser.__dict__["is_authenticated"], AnonymousUser.__dict__["is_authenticated"])
    return _answers(args, lambda user: inspect.getattr_static(type(user), "is_authenticated") in known)


def _is_staff(args: _Args, named: _Named, function: FunctionType) -> Runs:
    """`staff_member_required`: two flags of a user that was loaded."""
    return _answers(args, lambda user: all(_is_at_hand(user, name) for name in ("is_active", "is_staff")))


def _answers(args: _Args, known: Any) -> Runs:
    if len(args) != 1 or type(args[0]).__getattribute__ is not object.__getattribute__:
        return Runs.FOREIGN
    return Runs.ON_LOOP if known(args[0]) else Runs.FOREIGN


def _is_at_hand(user: Any, name: str) -> bool:
    found = inspect.getattr_static(type(user), name, None)
    return type(found) is bool or (type(found) is DeferredAttribute and name in user.__dict__)


# --- hashers ---


def _hashing(args: _Args, named: _Named) -> Runs:
    plain = caches.holds_no_code(*args, *named.values())
    return verdict(_hashers() or ("" if plain else "a function of the project's"))


def _hashing_for(args: _Args, named: _Named) -> Runs:
    """A user's check_password() and set_password(): the first may save a hash of today's strength."""
    user = args[0]
    plain = caches.holds_no_code(*args[1:], *named.values())
    return verdict(_hashers() or _user() or orm.saves(user) or ("" if plain else "what it is given"))


def _hashers() -> str:
    foreign_ones = [name for name in settings.PASSWORD_HASHERS if not name.startswith(_HASHERS)]
    return f"the hasher {foreign_ones[0]}" if foreign_ones else ""


# --- permissions and requests ---


def _permissions(args: _Args, named: _Named) -> Runs:
    """has_perm() and its like, of a backend or of a user."""
    subject, *given = args
    if not isinstance(subject, (PermissionsMixin, AnonymousUser)) and not _is_djangos_backend(subject):
        return Runs.FOREIGN
    objects = [each for each in (*given, *named.values()) if not isinstance(each, (PermissionsMixin, AnonymousUser))]
    return verdict(_everything() or ("" if caches.holds_no_code(*objects) else "the object asked about"))


def _with_session(args: _Args, named: _Named) -> Runs:
    """login(), logout() and get_user()."""
    request = args[0] if args else named["request"]
    if not isinstance(request, HttpRequest) or not hasattr(request, "session"):
        return Runs.FOREIGN
    return verdict(_everything() or sessions.why_not(request.session) or models.saves(get_user_model()) or _heard())


def _is_djangos_backend(subject: Any) -> bool:
    return type(subject).__module__ == _BACKENDS.rstrip(".") and not foreign(type(subject))


def _everything() -> str:
    """What asks for a user and what they may do would run of the project's."""
    model = get_user_model()
    others = [name for name in settings.AUTHENTICATION_BACKENDS if not name.startswith(_BACKENDS)]
    if others:
        return f"the backend {others[0]}"
    why = _user() or databases.why_not(databases.DEFAULT_DB_ALIAS)
    for each in (model, Permission, Group, ContentType):
        why = why or models.reads(each)
    return why


@cache
def _user() -> str:
    """What the project's user redefines of what backends ask it and its manager."""
    model = get_user_model()
    home = PermissionsMixin if issubclass(model, PermissionsMixin) else AbstractBaseUser
    why = overridden(model, AbstractBaseUser, _SHOWN) if issubclass(model, AbstractBaseUser) else model.__name__
    return why or overridden(model, home, _SHOWN) or overridden(type(model._default_manager), BaseUserManager)


def _heard() -> str:
    model = get_user_model()
    return "a receiver of auth's signals" if any(each.foreign(model) or each.foreign(None) for each in _TOLD) else ""


# --- signals ---


def _sending(args: _Args, named: _Named, function: FunctionType) -> Runs:
    """`Signal.asend()` calls all sync receivers in one hop: known is the one that auth brings."""
    held = captured(function)
    for receiver in held["sync_receivers"]:
        user = held["named"].get("user")
        if receiver is not update_last_login or not isinstance(user, AbstractBaseUser) or orm.saves(user):
            return Runs.FOREIGN
    return Runs.VETTED


def install() -> None:
    """From now on calls of auth are judged."""
    judges: tuple[tuple[tuple[str, ...], Judge], ...] = (
        (AUTH_CONSTANTS, _constant),
        (AUTH_HASHERS, _hashing),
        (AUTH_PERMISSIONS, _permissions),
        (AUTH_REQUESTS, _with_session),
    )
    for names, judge in judges:
        register(dict.fromkeys(names, judge))
    users = "django.contrib.auth.base_user.AbstractBaseUser."
    register(dict.fromkeys((f"{users}check_password", f"{users}set_password"), _hashing_for))
    register_nested("django.contrib.auth.decorators.login_required", {"<lambda>": _is_somebody})
    if "django.contrib.admin.views.decorators" in sys.modules:
        register_nested("django.contrib.admin.views.decorators.staff_member_required", {"<lambda>": _is_staff})
    for name in ("asend", "asend_robust"):
        register_nested(f"django.dispatch.dispatcher.Signal.{name}", {"sync_send": _sending})
