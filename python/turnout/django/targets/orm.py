"""Judges of the ORM's calls: what a queryset, an instance or a related manager is asked to do on a thread.

None is `Runs.ON_LOOP`: all of them ask the database. `QuerySet.aiterator()` has no judge: its slices share a cursor
that stays open between hops, so they are the request's own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from django.db import models as django_models
from django.db.models.manager import BaseManager
from django.db.models.query import QuerySet, RawQuerySet

from turnout.django.targets import Judge, Runs, databases, models, values
from turnout.django.targets.registry import captured, register, register_nested, verdict

_Args = tuple[Any, ...]
_Named = dict[str, Any]

# Looking at more instances than these would hold up the loop.
_MANY = 100


# --- querysets ---


def _reading(args: _Args, named: _Named) -> Runs:
    """get(), first(), in_bulk() and their like: instances are made of what the query finds."""
    queryset = args[0]
    return verdict(
        values.queryset(queryset)
        or databases.why_not(databases.alias_for(queryset))
        or _given(queryset.model, args[1:], named)
    )


def _counting(args: _Args, named: _Named) -> Runs:
    """count(), exists(), aggregate() and their like: no instances are made."""
    queryset = args[0]
    return verdict(
        values.queryset(queryset, instances=False)
        or databases.why_not(databases.alias_for(queryset))
        or _given(queryset.model, args[1:], named)
    )


def _creating(args: _Args, named: _Named) -> Runs:
    queryset = args[0]
    return verdict(_elsewhere(queryset) or _creates(queryset.model, args[1:], named))


def _creates(model: Any, more: _Args, named: _Named) -> str:
    return models.saves(model) or _constructs(model, named) or _given(model, more, named)


def _getting_or_creating(args: _Args, named: _Named) -> Runs:
    queryset = args[0]
    model = queryset.model
    return verdict(
        values.queryset(queryset)
        or databases.why_not(databases.alias_for(queryset))
        or models.saves(model)
        or _or_creates(model, args[1:], named)
    )


def _or_creates(model: Any, more: _Args, named: _Named) -> str:
    """Defaults may be functions, and may be for properties: then they are the project's."""
    sets: list[Any] = [*more]
    lookups = {}
    for name, value in named.items():
        if name in ("defaults", "create_defaults"):
            sets.append(value)
        else:
            lookups[name] = value
    for each in sets:
        if each is not None and (type(each) is not dict or _constructs(model, each) or not values.plain(each)):
            return "defaults"
    created = {name: value for name, value in lookups.items() if "__" not in name}
    return _constructs(model, created) or _given(model, (), lookups)


def _writing_many(args: _Args, named: _Named) -> Runs:
    """bulk_create() and bulk_update()."""
    queryset = args[0]
    given = [*args[1:2], *(named[name] for name in ("objs",) if name in named)]
    rest = {name: value for name, value in named.items() if name != "objs"}
    return verdict(
        _elsewhere(queryset)
        or models.inserts(queryset.model)
        or (_instances(given[0]) if given else "")
        or _given(queryset.model, args[2:], rest)
    )


def _updating(args: _Args, named: _Named) -> Runs:
    return _counting(args, named)


def _deleting(args: _Args, named: _Named) -> Runs:
    queryset = args[0]
    return verdict(
        values.queryset(queryset)
        or databases.why_not(databases.alias_for(queryset))
        or models.deletes(queryset.model)
        or _cached(queryset)
    )


def _raw(args: _Args, named: _Named) -> Runs:
    queryset = args[0]
    if type(queryset) is not RawQuerySet:
        return Runs.FOREIGN
    held = (queryset.params, queryset.translations)
    why = models.reads(queryset.model) or databases.why_not(databases.alias_for(queryset))
    if not why and queryset._prefetch_related_lookups:
        why = values.prefetches(queryset.model, queryset._prefetch_related_lookups)
    return Runs.VETTED if not why and values.plain(*held) else Runs.FOREIGN


def _prefetching(args: _Args, named: _Named) -> Runs:
    """`aprefetch_related_objects()`."""
    instances, *lookups = args
    if type(instances) not in (list, tuple) or not 0 < len(instances) <= _MANY:
        return Runs.FOREIGN
    model = type(instances[0])
    if not isinstance(instances[0], django_models.Model) or any(type(each) is not model for each in instances):
        return Runs.FOREIGN
    why = (
        models.reads(model) or values.prefetches(model, lookups) or databases.why_not(databases.alias_of(instances[0]))
    )
    return verdict(why)


def _elsewhere(queryset: Any) -> str:
    """What of a queryset matters where its query is not asked."""
    cls = type(queryset)
    return (models.queryset_class(cls) if cls is not QuerySet else "") or databases.why_not(
        databases.alias_for(queryset)
    )


def _given(model: Any, more: _Args, named: _Named) -> str:
    if more and not values.plain(*more):
        return "what it is given"
    return "" if not named or values.named(model, named) else "what it is given"


def _constructs(model: Any, named: _Named) -> str:
    return "" if values.names_fields(model, frozenset(named)) else "a property that is set"


def _instances(given: Any) -> str:
    if type(given) not in (list, tuple, set) or len(given) > _MANY:
        return "instances that were not looked at"
    for each in given:
        if not isinstance(each, django_models.Model) or models.inserts(type(each)) or not values.instance(each):
            return "what an instance holds"
    return ""


def _cached(queryset: Any) -> str:
    """A delete collects the instances that were read before, too."""
    return "" if queryset._result_cache is None or len(queryset._result_cache) <= _MANY else "too many instances"


# --- instances ---


def _saving(args: _Args, named: _Named) -> Runs:
    """Model.save(), and AbstractBaseUser's."""
    return verdict(saves(args[0], named.get("using")) or _given(type(args[0]), args[1:], named))


def saves(instance: Any, using: str | None = None) -> str:
    """Why saving an instance would run code of the project's."""
    return (
        models.saves(type(instance))
        or databases.why_not(using or databases.alias_of(instance))
        or ("" if values.instance(instance) else "what the instance holds")
    )


def _deleting_one(args: _Args, named: _Named) -> Runs:
    instance = args[0]
    return verdict(
        models.deletes(type(instance))
        or databases.why_not(named.get("using") or databases.alias_of(instance))
        or _given(type(instance), args[1:], named)
    )


def _refreshing(args: _Args, named: _Named) -> Runs:
    instance = args[0]
    given = named.get("from_queryset")
    return verdict(
        models.reads(type(instance))
        or databases.why_not(named.get("using") or databases.alias_of(instance))
        or _given(type(instance), args[1:], named)
        or (values.queryset(given) if given is not None else "")
    )


# --- managers ---


def _by_manager(args: _Args, named: _Named, function: FunctionType) -> Runs:
    """`sync_to_async(Model.objects.get)`: the method of the queryset that the manager makes."""
    manager = args[0]
    if models.manager_class(type(manager)) or type(manager).get_queryset is not BaseManager.get_queryset:
        return Runs.FOREIGN
    judge = _QUERYSET_JUDGES.get(captured(function).get("name", ""))
    if judge is None or manager._queryset_class is not QuerySet:
        return Runs.FOREIGN
    return judge((manager.get_queryset(), *args[1:]), named)


def _manager(manager: Any) -> str:
    """A related manager comes from the default manager of its model, which may have redefined anything."""
    return (
        models.manager_class(type(manager))
        or models.queryset_class(manager._queryset_class)
        or models.reads(type(manager.instance))
        or databases.why_not(manager._db or databases.alias_of(manager.instance))
        or models.saves(manager.model)
    )


def _through(manager: Any) -> str:
    through = getattr(manager, "through", None)
    return "" if through is None else models.relates(through)


def _changing(args: _Args, named: _Named, function: FunctionType) -> Runs:
    """add(), remove(), set() and clear()."""
    manager = args[0]
    return verdict(_manager(manager) or _through(manager) or _given_related(args[1:], named))


def _given_related(more: _Args, named: _Named) -> str:
    for each in (*more, *named.values()):
        objs = each if type(each) in (list, tuple, set) else (each,)
        if len(objs) > _MANY:
            return "instances that were not looked at"
        for one in objs:
            if not (values.instance(one) if isinstance(one, django_models.Model) else values.plain(one)):
                return "what it is given"
    return ""


def _creating_related(args: _Args, named: _Named, function: FunctionType) -> Runs:
    manager, *more = args
    through, named = _without_through(named)
    return verdict(_manager(manager) or _through(manager) or through or _creates(manager.model, tuple(more), named))


def _getting_or_creating_related(args: _Args, named: _Named, function: FunctionType) -> Runs:
    manager, *more = args
    through, named = _without_through(named)
    return verdict(_manager(manager) or _through(manager) or through or _or_creates(manager.model, tuple(more), named))


def _without_through(named: _Named) -> tuple[str, _Named]:
    given = named.get("through_defaults")
    rest = {name: value for name, value in named.items() if name != "through_defaults"}
    return "" if given is None or (type(given) is dict and values.plain(given)) else "through_defaults", rest


# --- the table ---

_QUERYSET_JUDGES: dict[str, Judge] = {
    **dict.fromkeys(("_fetch_all", "get", "first", "last", "earliest", "latest", "in_bulk"), _reading),
    **dict.fromkeys(("aggregate", "count", "exists", "contains", "explain"), _counting),
    "create": _creating,
    **dict.fromkeys(("get_or_create", "update_or_create"), _getting_or_creating),
    **dict.fromkeys(("bulk_create", "bulk_update"), _writing_many),
    "update": _updating,
    "delete": _deleting,
}
_QUERY = "django.db.models.query."
_JUDGES: dict[str, Judge] = {
    **{f"{_QUERY}QuerySet.{name}": judge for name, judge in _QUERYSET_JUDGES.items()},
    f"{_QUERY}RawQuerySet._fetch_all": _raw,
    f"{_QUERY}prefetch_related_objects": _prefetching,
    "django.db.models.base.Model.save": _saving,
    "django.contrib.auth.base_user.AbstractBaseUser.save": _saving,
    "django.db.models.base.Model.delete": _deleting_one,
    "django.db.models.base.Model.refresh_from_db": _refreshing,
}
_RELATED: dict[str, Callable[..., Runs]] = {
    **dict.fromkeys(("add", "remove", "clear", "set"), _changing),
    "create": _creating_related,
    **dict.fromkeys(("get_or_create", "update_or_create"), _getting_or_creating_related),
}
_RELATED_MAKERS = (
    "django.db.models.fields.related_descriptors.create_reverse_many_to_one_manager",
    "django.db.models.fields.related_descriptors.create_forward_many_to_many_manager",
    "django.contrib.contenttypes.fields.create_generic_related_manager",
)
_MANAGER_METHODS = "django.db.models.manager.BaseManager._get_queryset_methods"


def install() -> None:
    """From now on the ORM's calls are judged."""
    register(_JUDGES)
    for maker in _RELATED_MAKERS:
        register_nested(maker, _RELATED)
    register_nested(_MANAGER_METHODS, {"manager_method": _by_manager})
    databases.orm()
