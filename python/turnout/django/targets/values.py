"""Whether what a call of the ORM is given holds code of the project's: arguments, expressions, whole queries.

By type, and by what is inside: plain values, Django's own expressions, instances of models that bring nothing of their
own. Looking ends after `_ROOM` things: what is larger is not known.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import ipaddress
import pathlib
import uuid
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType, NoneType
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model
from django.db.models.base import ModelBase
from django.db.models.expressions import Col
from django.db.models.fields.files import FieldFile
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.query import Prefetch, QuerySet
from django.db.models.sql.datastructures import BaseTable, Join
from django.utils.functional import LazyObject, empty
from django.utils.safestring import SafeString

from turnout.django.targets import models
from turnout.django.targets.provenance import foreign, is_djangos, overridden, runs_foreign_code

_ROOM = 400
_SCALARS = frozenset(
    (
        *(NoneType, bool, int, float, complex, bytes, range, slice, type(NotImplemented), type(...)),
        *(decimal.Decimal, datetime.date, datetime.timedelta, uuid.UUID, SafeString),
        *(ipaddress.IPv4Address, ipaddress.IPv6Address, pathlib.PosixPath),
    )
)
_BUILTIN = frozenset((str, list, tuple, set, frozenset, dict))
_ZONES = ("datetime", "zoneinfo", "_zoneinfo")


class _TooMuch(Exception):
    pass


class _Room:
    """How much may still be looked at."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _ROOM

    def take(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise _TooMuch


def plain(*values: Any) -> bool:
    """Whether using `values` in a query runs nothing of the project's."""
    try:
        return _all(values, _Room())
    except _TooMuch:
        return False


def named(model: Any, values: dict[str, Any]) -> bool:
    """The same for keyword arguments, whose names are fields of `model` or paths from them."""
    if not values:
        return True
    try:
        return _all(values.values(), _Room()) and not any(map(functools.partial(models.path, model), values))
    except _TooMuch:
        return False


def queryset(found: Any, *, instances: bool = True) -> str:
    """Why evaluating a queryset would run code of the project's; empty when nothing of it would.

    Without `instances`, none are made of its rows.
    """
    try:
        return _queryset(found, _Room(), instances=instances)
    except _TooMuch:
        return "its query is too large to be looked at"


def _queryset(found: Any, room: _Room, *, instances: bool = True) -> str:
    cls = type(found)
    if cls is not QuerySet:
        why = models.queryset_class(cls)
        if why:
            return why
    state = found.__dict__
    model = state["model"]
    why = models.reads(model) if instances else models.rows(model)
    if why:
        return why
    query = state["_query"]
    held = (state["_iterable_class"], state["_fields"], state["_deferred_filter"], state.get("_fetch_mode"))
    if not _all(held, room) or not _one(query, room):
        return "what its query holds"
    if instances:
        if query.select_related and not _selected(query.select_related, model):
            return "select_related"
        if query.annotations and not _may_be_set(query.annotations, model):
            return "an annotation named as an attribute"
        for lookup in state["_prefetch_related_lookups"]:
            why = _prefetch(model, lookup, room)
            if why:
                return why
    return ""


def _selected(wanted: Any, model: Any) -> bool:
    """Instances of these are made, too. With `select_related()`, without names, it may be anything."""
    if type(wanted) is not dict:
        return False
    for name, inner in wanted.items():
        try:
            related = model._meta.get_field(name).related_model
        except FieldDoesNotExist:
            return False
        if not isinstance(related, ModelBase) or models.reads(related) or (inner and not _selected(inner, related)):
            return False
    return True


def _may_be_set(names: Any, model: Any) -> bool:
    """Values of annotations are set on instances, where a property may take them."""
    return not any(name in base.__dict__ for base in model.__mro__ for name in names)


def _prefetch(model: Any, lookup: Any, room: _Room) -> str:
    if type(lookup) is Prefetch:
        path = lookup.prefetch_through
        if lookup.queryset is not None:
            why = _queryset(lookup.queryset, room)
            if why:
                return why
        if lookup.to_attr:
            *_, last = models.prefetched_models(model, path) if not models.prefetched(model, path) else (model,)
            if not _may_be_set((lookup.to_attr,), model) or not _may_be_set((lookup.to_attr,), last):
                return f"to_attr {lookup.to_attr}"
    elif type(lookup) is str:
        path = lookup
    else:
        return "a prefetch of its own"
    return _prefetch_path(model, path)


def prefetches(model: Any, lookups: Any) -> str:
    """Why prefetching by `lookups` would run code of the project's."""
    try:
        return next(filter(None, (_prefetch(model, lookup, _Room()) for lookup in lookups)), "")
    except _TooMuch:
        return "a query too large to be looked at"


def _prefetch_path(model: Any, path: str) -> str:
    why = models.prefetched(model, path)
    if why:
        return why
    for each in models.prefetched_models(model, path):
        why = models.reads(each)
        if why:
            return why
    return ""


# --- one thing ---

_Look = Callable[[Any, _Room], bool]
_looks: dict[type, _Look] = {}


def _one(value: Any, room: _Room) -> bool:
    return _all((value,), room)


def _all(values: Any, room: _Room) -> bool:
    room.take(len(values))
    for value in values:
        kind = type(value)
        if kind in _SCALARS or (kind in _BUILTIN and not value):
            continue
        look = _looks.get(kind)
        if look is None:
            look = _looks[kind] = _look_for(kind)
        if not look(value, room):
            return False
    return True


def _dict(values: Any, room: _Room) -> bool:
    return not values or (_all(values.values(), room) and _all(values.keys(), room))


def _str(value: Any, room: _Room) -> bool:
    return "__" not in value or not models.paths_matter()


def _time(value: Any, room: _Room) -> bool:
    return value.tzinfo is None or type(value.tzinfo).__module__.split(".")[0] in _ZONES


def _inside(value: Any, room: _Room) -> bool:
    """What an object of Django's own keeps."""
    return _all(value.__dict__.values(), room)


def _column(value: Any, room: _Room) -> bool:
    """Most of a filter's left sides."""
    target = value.target
    return not models.field(target) and (value.output_field is target or not models.field(value.output_field))


def _table(value: Any, room: _Room) -> bool:
    """A table and how it is joined: names, but for these."""
    joined = getattr(value, "join_field", None)
    return joined is None or (not models.field(joined) and _one(value.filtered_relation, room))


def _committed(value: Any, room: _Room) -> bool:
    """A file that is stored already; storing one reads it, whatever it is."""
    return value._committed


def _evaluated(value: Any, room: _Room) -> bool:
    """`request.user` and its like, once somebody has asked them."""
    inner = object.__getattribute__(value, "__dict__").get("_wrapped", empty)
    return inner is not empty and _one(inner, room)


def _yes(value: Any, room: _Room) -> bool:
    return True


def _no(value: Any, room: _Room) -> bool:
    return False


def _class(value: Any, room: _Room) -> bool:
    return _known_class(value)


@functools.cache
def _known_class(value: Any) -> bool:
    return not runs_foreign_code(value) and not (value.__module__.startswith("django.") and foreign(value))


_looks.update(
    {
        str: _str,
        list: _all,
        tuple: _all,
        set: _all,
        frozenset: _all,
        dict: _dict,
        datetime.datetime: _time,
        datetime.time: _time,
        FunctionType: lambda value, room: is_djangos(value),
        ModelBase: lambda value, room: not models.rows(value),
        type: _class,
        Col: _column,
        BaseTable: _table,
        Join: _table,
    }
)


def _look_for(kind: type) -> _Look:
    """How things of a type are looked at. Told once a type."""
    if issubclass(kind, LazyObject):
        return _evaluated if kind.__module__ == "django.utils.functional" else _no
    if issubclass(kind, Model):
        return lambda value, room: not models.reads(kind)
    if issubclass(kind, QuerySet):
        return lambda value, room: not _queryset(value, room)
    if issubclass(kind, (Field, ForeignObjectRel)):
        return lambda value, room: not models.field(value)
    if issubclass(kind, enum.Enum):
        return _no if overridden(kind, enum.Enum, _LABELS) else _yes
    if issubclass(kind, FieldFile):
        return _no if foreign(kind) else _committed
    if issubclass(kind, type):
        # A metaclass of somebody's, or of Django's expressions.
        return _class
    if kind.__module__.startswith("django.") and not foreign(kind):
        if issubclass(kind, tuple):
            return _all
        return _inside if kind.__dictoffset__ else _yes
    return _no


# Choices have labels; what a query takes of them is their value.
_LABELS = frozenset(("label", "__repr__"))


@lru_cache(maxsize=1024)
def names_fields(model: Any, names: frozenset[str]) -> bool:
    """Whether all of `names` are fields of a model: what else a constructor takes are properties."""
    meta = model._meta
    known = {"pk"} | {each.name for each in meta.concrete_fields} | {each.attname for each in meta.concrete_fields}
    return names <= known


def instance(found: Any) -> bool:
    """Whether what the fields of an instance hold is plain."""
    state = found.__dict__
    return plain(*[state.get(name) for name in _attributes(type(found))])


@lru_cache(maxsize=1024)
def _attributes(model: Any) -> tuple[str, ...]:
    return tuple(each.attname for each in model._meta.concrete_fields)
