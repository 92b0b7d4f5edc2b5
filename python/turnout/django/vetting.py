"""Which functions of Django and of some packages somebody of turnout has read and found fit for the event loop.

`vetted.json` holds, for each feature release of Django, a hash of every hook and of every helper the hook calls: of the
syntax tree without positions, docstrings and annotations, so that a patch release or another CPython that leaves the
code alone changes nothing. `vetted_packages.json` holds the same for middleware of packages, whose versions come and go
whatever Django's is: there a function has as many hashes as were read. A function that was changed, replaced or
wrapped, or whose source cannot be read, is not vetted: its hook goes to the thread, with one log line.

    python -m turnout.django.vetting            what has changed in the installed Django and packages
    python -m turnout.django.vetting --write    record them, after reading what has changed
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import logging
import sys
import textwrap
from functools import _lru_cache_wrapper, cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import django

log = logging.getLogger("turnout.django")

TABLE = Path(__file__).with_name("vetted.json")
PACKAGES = Path(__file__).with_name("vetted_packages.json")
# Newer CPythons add fields that say nothing about plain functions; docstrings and annotations do not run.
_IGNORED_FIELDS = frozenset(("type_params", "type_comment", "kind", "ctx", "returns", "annotation"))


def release() -> str:
    """The feature release of the installed Django: "5.2"."""
    return f"{django.VERSION[0]}.{django.VERSION[1]}"


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, dict[str, str]]]:
    """Feature release -> hook -> function it stands on -> hash."""
    return json.loads(TABLE.read_text())


@lru_cache(maxsize=1)
def packages() -> dict[str, dict[str, list[str]]]:
    """Hook of a package -> function it stands on, in some version -> hashes of that function that were read."""
    return json.loads(PACKAGES.read_text())


_said: set[str] = set()


def verdict(hooks: list[str]) -> str:
    """Why one of `hooks` may not run on the loop, with a line in the log; empty when all are vetted."""
    why = unvetted(hooks)
    return _say(why) if why else ""


def unvetted(hooks: list[str]) -> str:
    """Which of the functions behind `hooks` is not the one that somebody read; empty when all are."""
    for hook in hooks:
        why = _unvetted_in_django(hook) if hook.startswith("django.") else _unvetted_in_package(hook)
        if why:
            return why
    return ""


def _unvetted_in_django(hook: str) -> str:
    known = table().get(release())
    if known is None:
        return f"Django {release()} is not vetted"
    functions = known.get(hook)
    if functions is None:
        return f"{hook} is not vetted for Django {release()}"
    other = _home_of(hook) not in functions
    name = hook if other else next((name for name, read in functions.items() if _live(name) != read), "")
    return f"{name} is not the function that was vetted for Django {release()}" if name else ""


def _unvetted_in_package(hook: str) -> str:
    functions = packages().get(hook)
    if functions is None:
        return f"{hook} is not vetted"
    if _home_of(hook) not in functions:
        return f"{hook} is not the function that was vetted"
    for name, read in functions.items():
        # Other versions may do without it, or have it elsewhere: who calls what is not there was not read either.
        moved = _home_of(name) != name and _home_of(name) in functions
        if find(name) is not None and not moved and _live(name) not in read:
            return f"{name} is not a function that was vetted"
    return ""


def _home_of(hook: str) -> str:
    """Where the function of a hook is defined: its class may have it from a base. Empty: it was replaced."""
    own = plain_function(find(hook))
    if own is None:
        return ""
    name = f"{own.__module__}.{own.__qualname__}"
    return name if plain_function(find(name)) is own else ""


def _live(name: str) -> str:
    return fingerprint(find(name), name)


def _say(reason: str) -> str:
    if reason not in _said:
        _said.add(reason)
        log.warning("%s: its middleware uses a thread", reason)
    return reason


_stand_ins: dict[FunctionType, FunctionType] = {}


def stand_in(ours: Any, theirs: Any) -> None:
    """`ours` does what `theirs` does, faster: where it is found, the verdict is about the other."""
    _stand_ins[ours] = theirs


def find(name: str) -> Any:
    """The live object behind a dotted name, without running descriptors; None when there is none."""
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:split]))
        except (ImportError, RuntimeError):
            # RuntimeError: models of an app that is not installed.
            continue
        for part in parts[split:]:
            found = inspect.getattr_static(found, part, None)
        return found
    return None


def plain_function(found: Any) -> FunctionType | None:
    """The function behind a property, a static or class method or a cache of the standard library's or Django's."""
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    elif isinstance(found, _lru_cache_wrapper):
        found = found.__wrapped__
    elif isinstance(found, cached_property) or type(found).__qualname__ == "cached_property":
        found = found.func
    return _stand_ins.get(found, found) if isinstance(found, FunctionType) else None


def fingerprint(found: Any, name: str) -> str:
    """Hash of what `name` runs; empty when it is not a plain function of its own module or has no readable source."""
    function = plain_function(found)
    if function is None or hasattr(function, "__wrapped__") or not name.startswith(f"{function.__module__}."):
        return ""
    home = sys.modules.get(function.__module__)
    if home is None or function.__globals__ is not home.__dict__:
        return ""
    if any(cell != "__class__" for cell in function.__code__.co_freevars):
        return ""
    return hash_of_code(function.__code__)


@lru_cache(maxsize=1024)
def hash_of_code(code: CodeType) -> str:
    """Hash of the source a code object was compiled from; empty when the source is not there."""
    try:
        source = inspect.getsource(code)
    except (OSError, TypeError):
        return ""
    return hash_of_source(source)


def hash_of_source(source: str) -> str:
    """Hash of the first definition in `source`; empty when it does not parse."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return ""
    return hashlib.sha256(_dump(tree.body[0]).encode()).hexdigest()[:24]


def _dump(node: Any) -> str:
    """The tree as text, the same on every CPython. `ast.dump` is not: it names new fields and omits empty ones."""
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_dump(value)}"
            for name in node._fields
            if name not in _IGNORED_FIELDS and (value := _without_docstring(node, name)) is not None and value != []
        ]
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return "[" + ", ".join(_dump(item) for item in node) + "]"
    return repr(node)


def _without_docstring(node: ast.AST, name: str) -> Any:
    value = getattr(node, name, None)
    if name == "body" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        first = value[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return value[1:]
    return value


# All that have middleware, so that their modules can be imported.
_APPS = ("auth", "contenttypes", "sessions", "messages", "sites", "flatpages", "redirects", "admindocs", "staticfiles")


def main(arguments: list[str]) -> int:
    """Compare the installed Django and packages with the tables, or record them."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[f"django.contrib.{name}" for name in _APPS], STATIC_URL="static/")
        django.setup()
    from turnout.django.hooks import HOOKS, PACKAGE_HOOKS
    from turnout.django.reading import collect

    whole = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    before = whole.get(release(), {})
    after = {hook: collect(hook) for hook in HOOKS if find(hook) is not None}
    for hook, functions in after.items():
        for name in sorted(functions.keys() | before.get(hook, {}).keys()):
            old, new = before.get(hook, {}).get(name), functions.get(name)
            if old != new:
                print(f"{hook}: {name} {'is new' if old is None else 'is gone' if new is None else 'has changed'}")
    read = json.loads(PACKAGES.read_text()) if PACKAGES.exists() else {}
    for hook in PACKAGE_HOOKS:
        for name, found in (collect(hook) if find(hook) is not None else {}).items():
            hashes = read.setdefault(hook, {}).setdefault(name, [])
            if found not in hashes:
                print(f"{hook}: {name} {'is another one' if hashes else 'is new'}")
                hashes[:] = sorted((*hashes, found))
    if "--write" in arguments:
        whole[release()] = after
        _write(TABLE, whole)
        _write(PACKAGES, {hook: dict(sorted(functions.items())) for hook, functions in read.items()})
    return 0


def _write(table: Path, content: dict[str, Any]) -> None:
    table.write_text(json.dumps(dict(sorted(content.items())), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
