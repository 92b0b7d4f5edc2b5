"""Whether a query for a database alias stays within Django: its engine and options, the routers, the ORM itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.backends.signals import connection_created
from django.db.utils import load_backend

from turnout.django.targets.listeners import Listeners
from turnout.django.targets.provenance import foreign, foreign_in

log = logging.getLogger("turnout.django")

_ENGINES = ("django.db.backends.", "django.contrib.gis.db.backends.")
# What every query goes through.
_ORM = ("django.db.models", "django.db.backends.base", "django.db.backends.utils", "django.db.transaction")
_AROUND = ("django.db.utils", "django.dispatch.dispatcher", "django.db.models.query")

_created = Listeners(connection_created)
_engines: dict[str, tuple[str, Any]] = {}
_engines_of: Any = None


def why_not(alias: str) -> str:
    """Why a query for `alias` would run code of the project's; empty when it would not."""
    global _engines_of
    found = connections.settings
    if found is not _engines_of:
        _engines.clear()
        _engines_of = found
    entry = _engines.get(alias)
    if entry is None:
        entry = _engines[alias] = _engine(found.get(alias))
    why, wrapper = entry
    if why:
        return why
    routers = router.__dict__.get("routers")
    if settings.DATABASE_ROUTERS if routers is None else routers:
        return "DATABASE_ROUTERS"
    return "a receiver of connection_created" if _created.foreign(wrapper) else ""


def alias_of(instance: Any) -> str:
    """Where an instance is read from and written to, with no router to ask."""
    return instance._state.db or DEFAULT_DB_ALIAS


def alias_for(queryset: Any) -> str:
    """Where a queryset goes, with no router to ask."""
    if queryset._db:
        return queryset._db
    instance = queryset._hints.get("instance")
    return DEFAULT_DB_ALIAS if instance is None else alias_of(instance)


@lru_cache(maxsize=1)
def orm() -> str:
    """What in the ORM somebody has replaced; empty when nothing. Looked at once, with one line in the log."""
    for name in sorted(_loaded()):
        why = foreign_in(name)
        if why:
            log.warning("%s is not Django's: every call of the ORM counts as the project's own code", why)
            return why
    return ""


def _loaded() -> Iterator[str]:
    for name, module in sys.modules.copy().items():
        if module is not None and (
            name in _AROUND or any(name == part or name.startswith(part + ".") for part in _ORM)
        ):
            yield name


def _engine(config: Any) -> tuple[str, Any]:
    engine = config["ENGINE"] if config is not None else ""
    if not engine.startswith(_ENGINES):
        return f"the database engine {engine}", None
    if not all(is_plain(value) for value in config.get("OPTIONS", {}).values()):
        return "a function or an object in the OPTIONS of a database", None
    try:
        wrapper = load_backend(engine).DatabaseWrapper
    except Exception as error:
        # A driver that is not installed: the query will say so.
        return str(error), None
    why = orm() or foreign(wrapper)
    for name in [name for name in sys.modules if name.startswith(engine + ".")]:
        why = why or foreign_in(name)
    if why and not orm():
        log.warning("%s is not Django's: calls of the ORM count as the project's own code", why)
    return why, wrapper


def is_plain(value: Any) -> bool:
    """Whether an option of the settings is data: no function, no object."""
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, bytes))
