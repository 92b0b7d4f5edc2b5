"""Judges of the session engines, for what they and the project put on a thread.

Most of the engines' async methods ask the ORM or a cache, whose judges say what that runs. Here are the rest: the
transaction of the database engine, and the sync methods that a project gives to `sync_to_async` itself.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import FunctionType
from typing import Any

from django.conf import settings

from turnout.django.targets import Runs, caches, databases, models, orm
from turnout.django.targets.functions import SESSIONS
from turnout.django.targets.provenance import foreign, overridden
from turnout.django.targets.registry import captured, register, register_nested

_HOME = "django.contrib.sessions.backends."
_ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")


def _judge(args: tuple[Any, ...], named: dict[str, Any]) -> Runs:
    store, *given = args
    cls = store if isinstance(store, type) else type(store)
    engine = _engine(cls)
    if not engine or not caches.holds_no_code(*given, *named.values()):
        return Runs.FOREIGN
    if cls is not store and not caches.holds_no_code(getattr(store, "_session_cache", None)):
        return Runs.FOREIGN
    if engine == "signed_cookies":
        return Runs.ON_LOOP
    if engine in ("db", "cached_db"):
        model = cls.get_model_class()
        if models.saves(model) or models.deletes(model) or databases.why_not(databases.DEFAULT_DB_ALIAS):
            return Runs.FOREIGN
    if engine in ("cache", "cached_db") and cls is not store and caches.why_not(store._cache):
        return Runs.FOREIGN
    return Runs.VETTED


def why_not(store: Any) -> str:
    """Why loading or saving a session would run code of the project's."""
    return "" if _judge((store,), {}) is not Runs.FOREIGN else f"the session store {type(store).__module__}"


@cache
def _engine(cls: type) -> str:
    """Which of Django's engines a store is, with nothing redefined; empty when it is none."""
    for engine in _ENGINES:
        home = getattr(_loaded(engine), "SessionStore", None)
        if home is not None and (cls is home or (issubclass(cls, home) and not overridden(cls, home))):
            break
    else:
        return ""
    # The nearest one: cached_db comes from db.
    for base in cls.__mro__:
        if base.__module__.startswith(_HOME):
            engine = base.__module__.removeprefix(_HOME)
            break
    own = (settings.SESSION_SERIALIZER, *((settings.SIGNING_BACKEND,) if engine == "signed_cookies" else ()))
    return "" if foreign(home) or not all(name.startswith("django.") for name in own) else engine


def _loaded(engine: str) -> Any:
    return sys.modules.get(_HOME + engine)


def _transaction(args: tuple[Any, ...], named: dict[str, Any], function: FunctionType) -> Runs:
    """What `asave()` of the database engine does in one transaction: it saves one instance."""
    held = captured(function)
    return Runs.VETTED if not orm.saves(held["obj"], held["using"]) else Runs.FOREIGN


def install() -> None:
    """From now on calls of the engine in use are judged."""
    if not settings.SESSION_ENGINE.startswith(_HOME):
        return
    importlib.import_module(settings.SESSION_ENGINE)
    register({name: _judge for name in SESSIONS if _loaded(name.removeprefix(_HOME).partition(".")[0])})
    if _loaded("db"):
        register_nested(f"{_HOME}db.SessionStore.asave", {"sync_transaction": _transaction})
