"""Whose code is behind a class or a module: Django's, as it was installed, or somebody else's.

Told by the file that a function's code was compiled from, through every decorator that admits what it wraps. Whether
a function of Django's is the one that was read is told by its hash (vetting.py), for the functions that hops call; for
all that those call it is enough that nobody replaced it.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import sysconfig
from functools import lru_cache
from types import FunctionType
from typing import Any

import django

_DJANGO = os.path.dirname(django.__file__) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_PACKAGES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
# Imported by Django's own modules.
_IMPORTED = frozenset(
    (
        "asgiref",
        "sqlparse",
        "psycopg",
        "psycopg_binary",
        "psycopg_c",
        "psycopg2",
        "psycopg_pool",
        "MySQLdb",
        "pymysql",
        "oracledb",
        "redis",
        "pymemcache",
        "pylibmc",
    )
)
# Where descriptors and callables of Python's own are defined.
_PYTHON = frozenset(("builtins", "collections", "_collections", "functools", "operator", "types", "enum", "_thread"))
# What Python itself puts into classes.
PYTHONS = frozenset(
    f"__{name}__"
    for name in (
        *("module", "doc", "qualname", "dict", "weakref", "annotations", "orig_bases", "parameters", "slots", "hash"),
        *("firstlineno", "static_attributes", "annotate", "annotate_func", "annotations_cache", "match_args"),
    )
)


@lru_cache(maxsize=4096)
def _file_is_known(file: str) -> bool:
    if file.startswith(_DJANGO):
        return True
    return file.startswith(_STDLIB) and not any(part in file for part in _PACKAGES)


def is_djangos(function: Any) -> bool:
    """Whether a function and all that it says it wraps are Django's or the standard library's."""
    while True:
        code = getattr(function, "__code__", None)
        if code is None or not (_file_is_known(code.co_filename) or code.co_filename.startswith("<frozen ")):
            return False
        inner = function.__dict__.get("__wrapped__")
        if inner is None:
            return True
        function = inner


def _is_a_drivers(cls: type) -> bool:
    """What Django's own classes come from: psycopg's loaders and dumpers, the cursors of all drivers."""
    return cls.__module__.split(".")[0] in _IMPORTED


@functools.cache
def _class_is_known(cls: type) -> bool:
    package = cls.__module__.split(".")[0]
    if package in _IMPORTED or package in ("builtins", "_thread"):
        return True
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    # Some modules of the standard library have no file of their own.
    return package in sys.stdlib_module_names if file is None else _file_is_known(file)


def runs_foreign_code(value: Any) -> bool:
    """Whether using an attribute of a class, as found in its `__dict__`, runs code that is not Django's."""
    if isinstance(value, FunctionType):
        return not is_djangos(value)
    if isinstance(value, type):
        return not _class_is_known(value)
    if isinstance(value, (staticmethod, classmethod)):
        return runs_foreign_code(value.__func__)
    if isinstance(value, property):
        parts = (value.fget, value.fset, value.fdel)
        return any(runs_foreign_code(part) for part in parts if part is not None)
    kind = type(value)
    if not callable(value) and not hasattr(kind, "__get__"):
        return False
    for name in ("__wrapped__", "func", "fget"):
        inner = getattr(value, name, None)
        inner = getattr(inner, "__func__", inner)
        if isinstance(inner, FunctionType) and not is_djangos(inner):
            return True
    home = kind.__module__
    return not (home.startswith("django.") or home in _PYTHON)


@functools.cache
def foreign(cls: type, harmless: frozenset[str] = frozenset()) -> str:
    """What in a class or its bases is not Django's: `Class.name`; empty when all of it is.

    `harmless`: names that may be anybody's. Looked at once a class: what is replaced later in one of Django's helpers
    is not seen, what is replaced in the function that a hop calls is (it is another function then).
    """
    for base in cls.__mro__:
        if base is object or base.__module__ in ("builtins", "typing", "abc") or _is_a_drivers(base):
            continue
        for name, value in base.__dict__.items():
            if name in PYTHONS or name in harmless or (name == "__new__" and issubclass(base, tuple)):
                # The constructor of a named tuple is compiled from a string.
                continue
            if runs_foreign_code(value):
                return f"{base.__qualname__}.{name}"
        if base.__dict__.get("__hash__") is not None and runs_foreign_code(base.__dict__["__hash__"]):
            return f"{base.__qualname__}.__hash__"
    return ""


@functools.cache
def overridden(cls: type, home: type, harmless: frozenset[str] = frozenset()) -> str:
    """What a class redefines of `home`, a class of Django's that it is or comes from; empty when nothing.

    Names that `home` does not know are the project's own affair: nothing of Django's calls them. Special methods
    are called by Python.
    """
    known = set(dir(home))
    for base in cls.__mro__:
        if base is home:
            return ""
        if base is object or base.__module__ in ("builtins", "typing", "abc"):
            continue
        for name, value in base.__dict__.items():
            special = name.startswith("__") and name.endswith("__")
            if name in harmless or (name in PYTHONS and name != "__hash__") or not (special or name in known):
                continue
            if value is not None and runs_foreign_code(value):
                return f"{base.__qualname__}.{name}"
    return f"{cls.__qualname__} is no {home.__qualname__}"


def foreign_in(module: str) -> str:
    """What in a module of Django's is not Django's: a function or a method that somebody replaced; empty when none."""
    found = importlib.import_module(module)
    for name, value in vars(found).items():
        # `isinstance` would ask a lazy object for the class of what it stands for, and so make it: the default storage.
        kind = type(value)
        if kind is FunctionType:
            if not is_djangos(value) and not _is_imported(value):
                return f"{module}.{name}"
        elif issubclass(kind, type):
            why = foreign(value) if value.__module__ == module else ("" if _class_is_known(value) else name)
            if why:
                return f"{module}.{why}"
        elif callable(value) and kind.__module__.split(".")[0] in ("unittest", "wrapt"):
            return f"{module}.{name}"
    return ""


def _is_imported(function: FunctionType) -> bool:
    package = function.__module__.split(".")[0]
    return package in _IMPORTED and f"{os.sep}{package}{os.sep}" in function.__code__.co_filename
