"""What the declarations of a project mean for a middleware class. Knows classes only: no instance, no chain."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from types import FunctionType
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.deprecation import MiddlewareMixin

from turnout.django import hooks, vetting
from turnout.django.declared import setting
from turnout.django.hooks.verdicts import Rule
from turnout.django.nonblocking import HOOKS, is_declared, wraps_declared

#: Of the hooks those that run in the same way, because one may undo what the other did (F9).
AROUND = ("process_request", "process_response")

Named = dict[type, frozenset[str]]


class Declaration(NamedTuple):
    """That a hook is declared."""

    #: The class that it stands on, or that the setting names.
    home: type
    #: As the project wrote it.
    words: str


class Judgement(NamedTuple):
    """How the hooks of a class run that the project said something about."""

    #: Those that run on the loop because they are declared.
    inline: dict[str, Declaration]
    #: What turnout knows about the hooks that the class has, unchanged, from one that was vetted.
    rule: Rule | None = None
    #: Why hooks use a thread all the same.
    why_not: str = ""


NOTHING_SAID = Judgement({})


def judge(kind: type, named: Named | None = None) -> Judgement:
    """What was declared about a class or about what it inherits, and what comes of it."""
    said = _declarations(kind, setting.named() if named is None else named)
    if not said:
        inside = [name for name in HOOKS if wraps_declared(_function(kind, name))]
        return Judgement({}, why_not=_inside_a_wrapper(inside)) if inside else NOTHING_SAID
    changed = _changed(kind, said)
    if changed:
        return Judgement({}, why_not=changed)
    home, rule, unvetted = hooks.inherited(kind, None if len(said) == len(_hooks(kind)) else said)
    theirs = _theirs(kind, home)
    own = {name: declaration for name, declaration in said.items() if name not in theirs}
    alone = _left_alone(kind, said, theirs)
    if alone:
        return Judgement({}, why_not=f"{alone} is not declared, and it runs as its counterpart does")
    if theirs and unvetted:
        return Judgement(own, why_not=unvetted)
    return Judgement(own, rule if theirs else None)


def mode(kind: Any) -> tuple[str, str] | None:
    """How the hooks of a class run, and why, for the operator; None: nothing was said that counts."""
    if not isinstance(kind, type) or not hooks.why_not_class(kind):
        return None
    judged = judge(kind)
    why_not = judged.why_not or (judged.rule.why_not() if judged.rule and judged.rule.why_not else "")
    if why_not:
        return "hop", why_not
    if not judged.inline and judged.rule is None:
        return None
    known = {*judged.inline, *(judged.rule.hooks if judged.rule else ())}
    others = [name for name in _hooks(kind) if name not in known]
    if others:
        return "hop", f"{', '.join(judged.inline)} declared by the project, {', '.join(others)} not"
    beside = f", beside what is vetted for Django {vetting.release()}" if judged.rule else ""
    return "inline", f"declared by the project{beside}"


def check_pair(kind: type, named: Named) -> None:
    """A class that says of one of two counterparts that it does not block, and nothing of the other, is wrong."""
    said = {name: it for name, it in _declarations(kind, named).items() if it.home is kind}
    alone = _left_alone(kind, said, _theirs(kind, hooks.inherited(kind, said)[0]))
    if alone:
        other = AROUND[1 - AROUND.index(alone)]
        raise ImproperlyConfigured(
            f"{said[other].words}: {other} of {_name(kind)} is declared non-blocking and {alone} is not. Both run in "
            "the same way, since one may undo what the other did: declare the class, or neither of them"
        )


def check_use(kind: type, named: Named) -> None:
    """A declared class in MIDDLEWARE whose hooks nobody calls on the loop is wrong."""
    said = _declarations(kind, named)
    for home in {it.home for it in said.values()}:
        check_pair(home, named)
    if not said or _changed(kind, said):
        return
    words = next(iter(said.values())).words
    if not getattr(kind, "async_capable", False):
        raise ImproperlyConfigured(
            f"{words}: {_name(kind)} is sync only (async_capable is False), so an async request waits in it on a "
            "thread, whatever its hooks do: take the declaration away, or make it async_capable"
        )
    around = [name for name in AROUND if name in said]
    if around and not _are_called(kind):
        raise ImproperlyConfigured(
            f"{words}: {_name(kind)} has a way of its own to be called, so {' and '.join(around)} is not called by "
            "turnout: take the declaration away, or leave __call__ and __acall__ to MiddlewareMixin"
        )


def _declarations(kind: type, named: Named) -> dict[str, Declaration]:
    found = {name: _declaration(kind, name, named) for name in _hooks(kind)}
    return {name: declaration for name, declaration in found.items() if declaration is not None}


def _declaration(kind: type, name: str, named: Named) -> Declaration | None:
    """By itself or by the nearest class that it has the very hook from."""
    hook = inspect.getattr_static(kind, name)
    for cls in kind.__mro__:
        if inspect.getattr_static(cls, name, None) is not hook:
            continue
        if is_declared(cls):
            return Declaration(cls, f"@non_blocking on {_name(cls)}")
        if name in named.get(cls, ()):
            return Declaration(cls, setting.NAME)
        if name in cls.__dict__ and is_declared(vetting.plain_function(hook)):
            return Declaration(cls, f"@non_blocking on {_name(cls)}.{name}")
    return None


def _changed(kind: type, said: dict[str, Declaration]) -> str:
    """What a class overrides of those that its declarations stand on: they say nothing of that."""
    for home in dict.fromkeys(declaration.home for declaration in said.values()):
        names = [name for name in hooks.overrides(kind, home) if name not in HOOKS]
        if names:
            return f"{kind.__qualname__} overrides {', '.join(names)}, and only {home.__qualname__} is declared"
    return ""


def _theirs(kind: type, home: type | None) -> list[str]:
    """The hooks that a class has, unchanged, from one that was vetted."""
    if home is None:
        return []
    return [name for name in _hooks(kind) if _function(kind, name) is _function(home, name)]


def _left_alone(kind: type, said: Collection[str], theirs: Collection[str]) -> str:
    """The hook around the view of which nothing is known while its counterpart is declared; empty: none."""
    around = [name for name in AROUND if hasattr(kind, name) and name not in theirs]
    alone = [name for name in around if name not in said]
    return alone[0] if len(around) == 2 and len(alone) == 1 else ""


def _are_called(kind: type) -> bool:
    return (
        issubclass(kind, MiddlewareMixin)
        and kind.__call__ is MiddlewareMixin.__call__
        and kind.__acall__ is MiddlewareMixin.__acall__
    )


def _inside_a_wrapper(names: list[str]) -> str:
    return f"{', '.join(names)}: something is wrapped around what @non_blocking stands on"


def _hooks(kind: type) -> tuple[str, ...]:
    return tuple(name for name in HOOKS if hasattr(kind, name))


def _function(kind: type, name: str) -> FunctionType | None:
    return vetting.plain_function(inspect.getattr_static(kind, name, None))


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
