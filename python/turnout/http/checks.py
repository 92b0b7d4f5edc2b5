"""How a policy says that it was given nonsense: which field of which class, what it was, and what it may be."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

_T = TypeVar("_T")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`" (did you mean x?)"`, or nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def seconds(owner: object, name: str, *, optional: bool = True, zero: bool = False) -> None:
    """The field is a time span; None means no limit where that is allowed."""
    _number(owner, name, "seconds", optional=optional, zero=zero)


def number(owner: object, name: str, *, zero: bool = False, optional: bool = False, most: float = math.inf) -> None:
    """The field is a number, fractions allowed."""
    _number(owner, name, "a number", optional=optional, zero=zero, most=most)


def _number(owner: object, name: str, what: str, *, optional: bool, zero: bool, most: float = math.inf) -> None:
    value: Any = getattr(owner, name)
    if value is None and optional:
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        given = float(value)
        if 0 <= given <= most and (given > 0 or zero):
            # `Timeout(2)` and `Timeout(2.0)` are equal, hash alike and reach the native half as one type.
            object.__setattr__(owner, name, given)
            return
    least = "at least 0" if zero else "more than 0"
    upper = f", at most {most:g}" if most < math.inf else ""
    raise fault(owner, name, f"must be {what}, {least}{upper}{' or None' if optional else ''}", value)


def count(owner: object, name: str, *, least: int = 0, most: int | None = None, optional: bool = False) -> None:
    """The field is a whole number."""
    value = getattr(owner, name)
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        upper = ("" if most is None else f", at most {most}") + (" or None" if optional else "")
        raise fault(owner, name, f"must be a whole number, at least {least}{upper}", value)


def one_of(owner: object, name: str, allowed: Collection[object]) -> None:
    """The field is one of these words."""
    value = getattr(owner, name)
    if value not in allowed:
        hint = did_you_mean(value, [str(word) for word in allowed]) if isinstance(value, str) else ""
        raise fault(owner, name, f"must be one of {', '.join(map(repr, allowed))}{hint}", value)


def flag(owner: object, name: str) -> None:
    """The field is True or False."""
    value = getattr(owner, name)
    if not isinstance(value, bool):
        raise fault(owner, name, "must be True or False", value)


def instance(owner: object, name: str, kind: type[Any], *, optional: bool = True) -> None:
    """The field is a `kind`; a plain dict, as settings have it, becomes one."""
    value = getattr(owner, name)
    if value is None and optional:
        return
    if isinstance(value, Mapping):
        object.__setattr__(owner, name, from_mapping(kind, value, f"{type(owner).__name__}({name}=)"))
    elif not isinstance(value, kind):
        raise fault(owner, name, f"must be a {kind.__name__}{' or None' if optional else ''}", value)


def words(owner: object, name: str, what: str) -> None:
    """The field is a collection of strings, kept as a tuple; one string is a slip, not a collection of letters."""
    value = getattr(owner, name)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise fault(owner, name, f"must be a list of {what}", value)
    kept = tuple(value)
    for word in kept:
        if not isinstance(word, str) or not word:
            raise fault(owner, name, f"must be a list of {what}", word)
    object.__setattr__(owner, name, kept)


def fault(owner: object, name: str, must: str, value: object) -> Exception:
    """To be raised. Always a ValueError: who reads settings wants to catch one thing."""
    return ValueError(f"{type(owner).__name__}({name}=) {must}, and is {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def from_mapping(kind: type[_T], given: Mapping[str, Any], where: str) -> _T:
    """`kind` from a dict whose keys are its fields, in either case (settings are written in capitals)."""
    known = {field.name: field for field in fields(kind) if field.init}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.lower() if isinstance(key, str) else key
        if name not in known:
            raise ValueError(f"{where}: {key!r} is not known{did_you_mean(name, known)}; there are {', '.join(known)}")
        found[name] = value
    missing = [
        name
        for name, field in known.items()
        if name not in found and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"{where} must say {', '.join(missing)}")
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
