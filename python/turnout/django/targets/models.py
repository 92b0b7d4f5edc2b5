"""What a model brings of its own into the ORM's calls: told once a model, and by the signals each time.

Every answer is why code of the project's would run, in words; empty when none would. Error messages are left out: only
a call that fails prints an instance.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.core.files.storage import DefaultStorage
from django.core.files.storage.filesystem import FileSystemStorage
from django.core.files.storage.memory import InMemoryStorage
from django.db import models
from django.db.models import signals
from django.db.models.base import ModelBase
from django.db.models.fields import related_descriptors
from django.db.models.manager import Manager
from django.db.models.query import QuerySet
from django.db.models.query_utils import RegisterLookupMixin

from turnout.django.targets.listeners import Listeners
from turnout.django.targets.provenance import foreign, is_djangos, overridden, runs_foreign_code

# Nothing of the ORM calls these, but for messages of exceptions.
_SHOWN = frozenset(("__str__", "__repr__", "__init_subclass__", "__class_getitem__", "__html__", "get_absolute_url"))
_CHECKED = frozenset(("check", "clean", "clean_fields", "full_clean", "validate_unique", "validate_constraints"))
_REACHED_BY_FIELDS = frozenset(("get_constraints", "serializable_value", "date_error_message", "unique_error_message"))
_NEVER = _SHOWN | _CHECKED | _REACHED_BY_FIELDS
_SAVES = frozenset(("save", "asave", "save_base"))
_DELETES = frozenset(("delete", "adelete"))
_FORMS = frozenset(("formfield", "check", "validate", "run_validators", "clean", "value_to_string", "flatchoices"))
_FIELD_HARMLESS = _FORMS | _SHOWN | {"__init__", "deconstruct", "description"}
# `_queryset_class` is looked at by itself.
_MANAGER_HARMLESS = frozenset(("__init__", "__str__", "check", "deconstruct", "__class_getitem__", "_queryset_class"))
_STORAGES = (FileSystemStorage, InMemoryStorage)
_TREES = 30

_initialised = (Listeners(signals.pre_init), Listeners(signals.post_init))
_saved = (Listeners(signals.pre_save), Listeners(signals.post_save))
_deleted = (Listeners(signals.pre_delete), Listeners(signals.post_delete))
_m2m = Listeners(signals.m2m_changed)


# --- with the signals, asked for each call ---


def reads(model: type) -> str:
    """Why making instances from rows would run code of the project's."""
    return _instances(model) or _heard(_initialised, model)


def saves(model: type) -> str:
    """Why `save()` would."""
    return _saving(model) or _heard(_initialised, model) or _heard(_saved, model)


def inserts(model: type) -> str:
    """Why writing instances without `save()` would."""
    return _inserting(model) or _heard(_initialised, model)


def deletes(model: type) -> str:
    """Why deleting rows, with all that goes with them, would."""
    why, touched = _deleting(model)
    if why:
        return why
    for each in touched:
        why = _heard(_initialised, each) or _heard(_deleted, each)
        if why:
            return why
    return ""


def relates(through: type) -> str:
    """Why changing a many-to-many relation through `through` would."""
    return reads(through) or inserts(through) or ("a receiver of m2m_changed" if _m2m.foreign(through) else "")


def _heard(listeners: tuple[Listeners, ...], model: type) -> str:
    for each in listeners:
        if each.foreign(model):
            return f"a receiver of {model.__name__}'s signals"
    return ""


# --- without, asked once a model ---


@cache
def _fields(model: Any) -> str:
    if type(model) is not ModelBase:
        return f"the metaclass of {model.__name__}"
    for each in model._meta.get_fields(include_hidden=True):
        why = field(each)
        if why:
            return f"{model.__name__}.{why}"
    for each in model._meta.concrete_fields:
        descriptor = inspect.getattr_static(model, each.attname, None)
        if not type(descriptor).__module__.startswith("django."):
            return f"{model.__name__}.{each.attname} is not Django's"
    return ""


@cache
def rows(model: Any) -> str:
    """Why a query that makes no instances would: fields, and what Meta.ordering sorts by."""
    why = _fields(model)
    if why:
        return why
    # Imported late: what is in an expression may be a model.
    from turnout.django.targets import values

    for each in model._meta.ordering:
        if path(model, each.lstrip("-")) if type(each) is str else not values.plain(each):
            return f"{model.__name__}.Meta.ordering"
    return ""


@cache
def _instances(model: Any) -> str:
    why = rows(model) or overridden(model, models.Model, _NEVER | _SAVES | _DELETES) or managers(model)
    for each in model._meta.concrete_fields if not why else ():
        # Django's own receiver of post_init may read the size of a picture.
        if isinstance(each, models.ImageField) and (each.width_field or each.height_field):
            why = why or _storage(each)
    return why


@cache
def _inserting(model: Any) -> str:
    why = _instances(model)
    for each in model._meta.concrete_fields if not why else ():
        why = why or _default(each) or _file(each)
    return why


@cache
def _saving(model: Any) -> str:
    why = _inserting(model) or overridden(model, models.Model, _NEVER | _DELETES)
    if not why and issubclass(model, AbstractBaseUser):
        # Its save() tells the validators about a new password.
        named = [each["NAME"] for each in settings.AUTH_PASSWORD_VALIDATORS]
        if not all(name.startswith("django.") for name in named):
            why = "AUTH_PASSWORD_VALIDATORS"
    return why


@cache
def _deleting(model: Any) -> tuple[str, tuple[Any, ...]]:
    """The models whose instances are fetched when one of `model` is deleted, too."""
    touched: list[Any] = [model]
    for each in touched:
        why = _instances(each) or overridden(each, models.Model, _NEVER | _SAVES)
        if why or len(touched) > _TREES:
            return why or f"{len(touched)} models hang on {model.__name__}", ()
        for relation, on_delete in _hanging_on(each):
            if not _is_known(on_delete):
                return f"on_delete of {relation.related_model.__name__}", ()
            if relation.related_model not in touched:
                touched.append(relation.related_model)
        touched += [parent for parent in each._meta.all_parents if parent not in touched]
    return "", tuple(touched)


def _hanging_on(model: Any) -> Iterator[tuple[Any, Any]]:
    for relation in model._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and (relation.one_to_one or relation.one_to_many):
            on_delete = relation.field.remote_field.on_delete
            if on_delete is not models.DO_NOTHING:
                yield relation, on_delete
    for generic in model._meta.private_fields:
        if hasattr(generic, "bulk_related_objects"):
            yield generic, models.CASCADE


def _is_known(on_delete: Any) -> bool:
    # SET(value) is a closure, and the value may be a function.
    cells = getattr(on_delete, "__closure__", None) or ()
    if any(callable(cell.cell_contents) for cell in cells):
        return False
    return is_djangos(on_delete) or type(on_delete).__module__.startswith("django.")


def _default(field: Any) -> str:
    default = field.default
    if not callable(default):
        return ""
    return "" if not runs_foreign_code(getattr(default, "__func__", default)) else f"the default of {field.name}"


def _file(field: Any) -> str:
    if not isinstance(field, models.FileField):
        return ""
    # FileField binds its own method where upload_to is a string.
    if "generate_filename" in field.__dict__ or callable(field.upload_to):
        return f"upload_to of {field.name}"
    return _storage(field)


def _storage(field: Any) -> str:
    storage = type(field.storage)
    if storage is DefaultStorage:
        named = settings.STORAGES["default"]["BACKEND"]
        return "" if named.startswith("django.core.files.storage.") else f"the storage {named}"
    return "" if storage in _STORAGES else f"the storage of {field.name}"


@cache
def field(field: Any) -> str:
    """Why a field, or the other side of a relation, would run code of the project's in a query."""
    why = foreign(type(field), _FIELD_HARMLESS)
    if why:
        return f"{getattr(field, 'name', '')} ({why})"
    for name in ("encoder", "decoder"):
        own = getattr(field, name, None)
        if own is not None and foreign(own if isinstance(own, type) else type(own)):
            return f"{field.name} ({name})"
    base = getattr(field, "base_field", None)
    # What an array holds.
    return "" if base is None else field(base)


@cache
def managers(model: Any) -> str:
    """Why what the ORM asks of a model's own managers would: the default one and the base one."""
    for manager in (model._default_manager, model._base_manager):
        why = manager_class(type(manager)) or queryset_class(manager._queryset_class)
        if why:
            return f"{model.__name__}'s manager ({why})"
    return ""


@cache
def manager_class(cls: type) -> str:
    """What a manager redefines; methods of its own are nobody's business."""
    return overridden(cls, Manager, _MANAGER_HARMLESS)


@cache
def queryset_class(cls: type) -> str:
    """What a queryset redefines of Django's."""
    if type(cls) is not type:
        return f"the metaclass of {cls.__qualname__}"
    return overridden(cls, QuerySet)


@lru_cache(maxsize=4096)
def prefetched(model: Any, path: str) -> str:
    """Why prefetching `path` would, signals aside; a path that is not one of plain relations is refused."""
    for part in path.split("__"):
        descriptor = inspect.getattr_static(model, part, None)
        follow = _FOLLOW.get(type(descriptor))
        if follow is None:
            return f"{model.__name__}.{part} is prefetched by other means"
        model = follow(descriptor)
        why = _instances(model)
        if why:
            return why
    return ""


def prefetched_models(model: Any, path: str) -> Iterator[Any]:
    """The models whose instances are made for it."""
    for part in path.split("__"):
        descriptor = inspect.getattr_static(model, part)
        model = _FOLLOW[type(descriptor)](descriptor)
        yield model


_FOLLOW: dict[type, Callable[[Any], Any]] = {
    related_descriptors.ForwardManyToOneDescriptor: lambda found: found.field.remote_field.model,
    related_descriptors.ForwardOneToOneDescriptor: lambda found: found.field.remote_field.model,
    related_descriptors.ReverseOneToOneDescriptor: lambda found: found.related.related_model,
    related_descriptors.ReverseManyToOneDescriptor: lambda found: found.rel.related_model,
    related_descriptors.ManyToManyDescriptor: lambda found: (
        found.rel.related_model if found.reverse else found.rel.model
    ),
}


def path(model: Any, name: str) -> str:
    """Why a name like "author__name__startswith", from `model` on, leads to code of the project's."""
    return _path(model, name) if "__" in name and paths_matter() else ""


@lru_cache(maxsize=4096)
def _path(model: Any, name: str) -> str:
    parts = name.split("__")
    foreign_lookups = {lookup.lookup_name for lookup in _lookups() if foreign(lookup)} & {"exact", "isnull", *parts}
    if foreign_lookups:
        return f"the lookup {min(foreign_lookups)}"
    for part in parts:
        why = _fields(model)
        if why:
            return why
        try:
            found = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:
            # A lookup, a transform, a key of JSON, or an annotation that was looked at where it is.
            return ""
        if not found.is_relation or not isinstance(found.related_model, ModelBase):
            return ""
        through = getattr(getattr(found, "remote_field", None), "through", None) or getattr(found, "through", None)
        why = _fields(through) if through is not None else ""
        if why:
            return why
        model = found.related_model
    return ""


@lru_cache(maxsize=1)
def paths_matter() -> bool:
    """Whether a name like "author__name" may lead to code of the project's: to a field, a lookup, or a transform."""
    if any(_fields(model) for model in apps.get_models(include_auto_created=True)):
        return True
    return any(foreign(lookup) for lookup in _lookups())


def _lookups() -> Iterator[type]:
    pending: list[Any] = [RegisterLookupMixin]
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        yield from cls.__dict__.get("class_lookups", {}).values()
