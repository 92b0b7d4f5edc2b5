"""Fields of a serializer: ADRF sends each of them to a thread twice, to get its value and to represent it.

A value that lies in a dict or in the column of an instance is got without running anything, and DRF's own fields
represent the types that databases give by computing.
"""

from __future__ import annotations

import datetime
import decimal
import inspect
import uuid
from collections import OrderedDict
from functools import cache
from typing import Any

from django.db.models import Model
from django.db.models.query_utils import DeferredAttribute
from rest_framework import relations
from rest_framework.fields import Field

from turnout.django.targets import Runs
from turnout.django.targets.drf.read import PYTHONS, computes, unread
from turnout.django.targets.provenance import runs_foreign_code

_DICTS = frozenset((dict, OrderedDict))
_DATES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_VALUES = frozenset((str, bytes, int, float, bool, type(None), *_DATES, decimal.Decimal, uuid.UUID))
_CONTAINERS = frozenset((dict, list, tuple))
_HOMES = ("rest_framework.fields", "rest_framework.relations", "adrf.fields")
# Kinds that represent such values by themselves; the rest holds other fields, files, models or methods.
REPRESENTING = (
    *("Boolean", "Char", "UUID", "Integer", "BigInteger", "Float", "Decimal"),
    *("DateTime", "Date", "Time", "Duration", "Choice"),
)


def judge_get(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`Field.get_attribute(field, instance)`."""
    field, instance = args
    path = field.source_attrs
    if len(path) != 1 or not is_drfs(type(field)) or unread("fields"):
        return Runs.FOREIGN
    return Runs.ON_LOOP if lies_in(instance, path[0]) else Runs.FOREIGN


def judge_get_related(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`RelatedField.get_attribute(field, instance)`: the key is a column, and nothing more is asked for."""
    field, instance = args
    path = field.source_attrs
    if type(field) is not relations.PrimaryKeyRelatedField or len(path) != 1 or unread("related fields"):
        return Runs.FOREIGN
    return Runs.ON_LOOP if _is_key(instance, path[0]) else Runs.FOREIGN


def judge_represent(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`to_representation(field, value)` of the kinds in REPRESENTING."""
    field, value = args
    plain = is_drfs(type(field)) and type(value) in _VALUES and not unread("fields")
    return Runs.ON_LOOP if plain else Runs.FOREIGN


def judge_as_is(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`to_representation(field, value)` of JSONField and ReadOnlyField, which give the value back."""
    field, _ = args
    plain = is_drfs(type(field)) and not getattr(field, "binary", False) and not unread("fields")
    return Runs.ON_LOOP if plain else Runs.FOREIGN


def judge_represent_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`PrimaryKeyRelatedField.to_representation(field, value)`."""
    field, value = args
    plain = type(value) is relations.PKOnlyObject and field.pk_field is None and not unread("related fields")
    return Runs.ON_LOOP if plain else Runs.FOREIGN


@cache
def is_drfs(kind: type) -> bool:
    """Whether a class of fields is DRF's or ADRF's, or changes data only."""
    if not issubclass(kind, Field):
        return False
    theirs = [cls for cls in kind.__mro__ if cls.__module__ not in _HOMES and cls is not object]
    return not any(name not in PYTHONS and computes(value) for cls in theirs for name, value in cls.__dict__.items())


def lies_in(instance: Any, name: str) -> bool:
    """Whether getting a value is looking into a dict, and the value is data."""
    kind = type(instance)
    if kind in _DICTS:
        return name in instance and _is_data(instance[name])
    if not isinstance(instance, Model) or not _is_column(kind, name):
        return False
    held = instance.__dict__
    return name in held and _is_data(held[name])


def _is_data(value: Any) -> bool:
    return type(value) in _VALUES or type(value) in _CONTAINERS


@cache
def _is_column(model: Any, name: str) -> bool:
    """Whether a value in the instance's dict comes before whatever the class has of that name."""
    found = inspect.getattr_static(model, name, None)
    return isinstance(found, DeferredAttribute) and not hasattr(type(found), "__set__") and _gets_plainly(model)


@cache
def _gets_plainly(model: Any) -> bool:
    return not any(
        runs_foreign_code(inspect.getattr_static(model, name))
        for name in ("__getattribute__", "serializable_value")
        if hasattr(model, name) and inspect.getattr_static(model, name) is not object.__getattribute__
    )


def _is_key(instance: Any, name: str) -> bool:
    if not isinstance(instance, Model):
        return False
    field = type(instance)._meta._forward_fields_map.get(name)
    attname = getattr(field, "attname", None)
    return attname is not None and lies_in(instance, attname)


JUDGES = {
    "rest_framework.fields.Field.get_attribute": judge_get,
    "rest_framework.relations.RelatedField.get_attribute": judge_get_related,
    "rest_framework.relations.PrimaryKeyRelatedField.to_representation": judge_represent_key,
    **{f"rest_framework.fields.{name}Field.to_representation": judge_represent for name in REPRESENTING},
    **{f"rest_framework.fields.{name}Field.to_representation": judge_as_is for name in ("JSON", "ReadOnly")},
}
