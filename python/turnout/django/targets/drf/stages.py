"""Negotiation, versioning, permissions and throttles: what each would run for one request."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache import cache as default_cache
from django.core.cache.backends.base import BaseCache, default_key_func
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import DEFAULT_DB_ALIAS
from rest_framework import negotiation, permissions, throttling, versioning
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission, BasePermissionMetaclass

from turnout.django.targets import Runs, databases, models
from turnout.django.targets.drf import users
from turnout.django.targets.drf.read import brings_code, unread
from turnout.django.targets.drf.users import NOBODY, answers_plainly

# A throttle keeps the times of its requests in the cache: so many are pickled in some 10 microseconds.
_TIMES_INLINE = 1000
# A full cache in memory is culled on the way.
_ENTRIES_INLINE = 10_000
_VERSIONINGS = (
    versioning.AcceptHeaderVersioning,
    versioning.URLPathVersioning,
    versioning.NamespaceVersioning,
    versioning.HostNameVersioning,
    versioning.QueryParameterVersioning,
)


# --- negotiation and versioning: they compute, or they are somebody else's ---


@cache
def negotiates_plainly(negotiator: type) -> bool:
    """Whether content negotiation is DRF's own."""
    home = negotiation.DefaultContentNegotiation
    return not brings_code(negotiator, home) and not unread("negotiation")


@lru_cache(maxsize=1024)
def made_plainly(renderers: tuple[Any, ...]) -> bool:
    """Whether renderers are made by Python alone; what they render is another matter."""
    return all(
        type(kind) is type
        and kind.__init__ is object.__init__
        and kind.__new__ is object.__new__
        and isinstance(kind.__dict__.get("media_type", ""), (str, type(None)))
        for kind in renderers
    )


@cache
def versions_plainly(scheme: Any) -> bool:
    """Whether a version is found as DRF does it."""
    if scheme is None:
        return True
    return any(not brings_code(scheme, home) for home in _VERSIONINGS) and not unread("versioning")


# --- permissions ---

# What asking one permission takes, given the view, the method and the classes the user may be of.
Permission = Callable[[Any, str, tuple[type, ...]], Runs]


@lru_cache(maxsize=1024)
def permissions_of(kinds: tuple[Any, ...]) -> tuple[Permission, ...] | None:
    """How to judge `permission_classes`; None: one of them is not DRF's."""
    found = tuple(_permission(kind) for kind in kinds)
    return None if None in found else found  # type: ignore[return-value]


def ask(rules: tuple[Permission, ...], view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    """The most that asking all of them takes."""
    runs = Runs.ON_LOOP
    for rule in rules:
        one = rule(view, method, kinds)
        if one is Runs.FOREIGN:
            return one
        if one is Runs.VETTED:
            runs = one
    return runs


def _permission(kind: Any) -> Permission | None:
    if isinstance(kind, (permissions.OperandHolder, permissions.SingleOperandHolder)):
        return _operation(kind)
    if type(kind) is not BasePermissionMetaclass:
        return None
    for home, group, rule in _PERMISSIONS:
        if issubclass(kind, home):
            return None if brings_code(kind, home) or unread(group) else rule
    return None


def _operation(holder: Any) -> Permission | None:
    if type(holder) not in (permissions.OperandHolder, permissions.SingleOperandHolder) or unread("operators"):
        return None
    if holder.operator_class not in (permissions.AND, permissions.OR, permissions.NOT):
        return None
    operands = [holder.__dict__.get(name) for name in ("op1_class", "op2_class")]
    rules = permissions_of(tuple(operand for operand in operands if operand is not None))
    if rules is None:
        return None

    def asked(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
        # ADRF makes coroutine functions of operators and waits for them with async_to_sync, which needs a thread.
        return Runs.FOREIGN if ask(rules, view, method, kinds) is Runs.FOREIGN else Runs.VETTED

    return asked


def _anybody(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    return Runs.ON_LOOP


def _authenticated(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    return Runs.ON_LOOP if all(answers_plainly(kind, "is_authenticated") for kind in kinds) else Runs.FOREIGN


def _admin(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    return Runs.ON_LOOP if all(answers_plainly(kind, "is_staff") for kind in kinds) else Runs.FOREIGN


def _model_permissions(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    if all(kind in (NOBODY, type(None)) for kind in kinds):
        return Runs.ON_LOOP
    return _asks_the_model(view, method, kinds)


def _asks_the_model(view: Any, method: str, kinds: tuple[type, ...]) -> Runs:
    queryset = getattr(type(view), "queryset", None)
    if "get_queryset" in view.__dict__ or "queryset" in view.__dict__ or queryset is None:
        return Runs.FOREIGN
    if getattr(type(view), "get_queryset", None) is not GenericAPIView.get_queryset:
        return Runs.FOREIGN
    if users.reading(queryset.model) or users.loading() or models.queryset_class(type(queryset)):
        return Runs.FOREIGN
    plain = all(answers_plainly(kind, name) for kind in kinds for name in ("is_authenticated", "has_perms", "has_perm"))
    return Runs.VETTED if plain else Runs.FOREIGN


_PERMISSIONS: tuple[tuple[type, str, Permission], ...] = (
    (permissions.AllowAny, "permissions", _anybody),
    (permissions.IsAuthenticated, "permissions", _authenticated),
    (permissions.IsAdminUser, "permissions", _admin),
    (permissions.IsAuthenticatedOrReadOnly, "permissions", _authenticated),
    (permissions.DjangoModelPermissionsOrAnonReadOnly, "model permissions", _asks_the_model),
    (permissions.DjangoModelPermissions, "model permissions", _model_permissions),
)


@lru_cache(maxsize=1024)
def passes_objects(kinds: tuple[Any, ...]) -> bool:
    """Whether these permissions ask nothing about an object."""
    return all(
        type(kind) is BasePermissionMetaclass
        and kind.has_object_permission is BasePermission.has_object_permission
        and kind.__init__ is object.__init__
        for kind in kinds
    ) and not unread("permissions")


# --- throttles ---


def throttles(kinds: tuple[Any, ...], view: Any, who: tuple[type, ...], inline: bool) -> Runs:
    """What asking all throttles takes. `inline`: ADRF waits for no coroutine where there is none."""
    runs = Runs.ON_LOOP if inline else Runs.VETTED
    for kind in kinds:
        if not _counts_plainly(kind) or not all(answers_plainly(each, "is_authenticated") for each in who):
            return Runs.FOREIGN
        if issubclass(kind, throttling.ScopedRateThrottle) and not _is_data(view, kind.scope_attr):
            return Runs.FOREIGN
        one = _keeping(kind, view)
        if one is Runs.FOREIGN:
            return one
        if one is Runs.VETTED:
            runs = one
    return runs


_THROTTLES = (throttling.AnonRateThrottle, throttling.UserRateThrottle, throttling.ScopedRateThrottle)


@cache
def _counts_plainly(kind: Any) -> bool:
    homes = [home for home in _THROTTLES if isinstance(kind, type) and issubclass(kind, home)]
    return bool(homes) and not brings_code(kind, homes[0]) and not unread("throttles")


def _is_data(view: Any, name: str) -> bool:
    return isinstance(inspect.getattr_static(view, name, None), (str, type(None)))


def _keeping(kind: Any, view: Any) -> Runs:
    """Where it keeps its times, and how many."""
    kept = kind.cache
    if kept is default_cache:
        config = settings.CACHES[DEFAULT_CACHE_ALIAS]
        if config.get("KEY_FUNCTION"):
            return Runs.FOREIGN
        kept = caches[DEFAULT_CACHE_ALIAS]
    if not isinstance(kept, BaseCache) or kept.key_func is not default_key_func:
        return Runs.FOREIGN
    if type(kept) in (LocMemCache, DummyCache):
        few = kept._max_entries <= _ENTRIES_INLINE and _times(kind, view) <= _TIMES_INLINE
        return Runs.ON_LOOP if few and not unread("local cache") else Runs.VETTED
    return Runs.FOREIGN if users.keeping() or databases.why_not(DEFAULT_DB_ALIAS) else Runs.VETTED


def _times(kind: Any, view: Any) -> int:
    scope = kind.scope
    if issubclass(kind, throttling.ScopedRateThrottle):
        scope = getattr(view, kind.scope_attr, None)
        if not scope:
            return 0
    rate = getattr(kind, "rate", None) or kind.THROTTLE_RATES.get(scope)
    if rate is None:
        return 0
    number, _, _ = rate.partition("/")
    return int(number) if number.isdecimal() else 0
