"""The URLconf as a flat list in match order, for Rust to decide the track of a path without Python.

An entry is (expression, track): the expression is matched against the whole decoded path without its first "/". Where
only Python can tell whether the pattern matches, the expression is None, and a path that gets that far is undecided:
search.py looks then. Both take it that a converter of the project's own accepts what its expression matches; whether it
does is found out with the request.

A URLconf may include itself, as Django's resolvers allow: no walk enters a resolver that it is `within`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.urls.converters import DEFAULT_CONVERTERS
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, RoutePattern, URLPattern, URLResolver

from turnout.django.patterns import Untranslatable, endpoint, prefix

SYNC = 0
ASYNC = 1

Route = tuple["str | None", int]


def flatten(resolver: URLResolver, is_async: Callable[[Any], bool]) -> list[Route]:
    """The routes below the root resolver; after an undecided one come only those that can still be reached."""
    return list(_below(resolver, "", is_async))


def views(resolver: URLResolver) -> Iterator[Any]:
    """Every view of the URLconf, in match order."""
    return (entry.callback for entry in _entries(resolver) if not isinstance(entry, URLResolver))


def needs_language(resolver: URLResolver) -> bool:
    """Whether the active language decides what a path means."""
    patterns = (entry.pattern for entry in _entries(resolver))
    return any(isinstance(pattern, LocalePrefixPattern) or not _is_fixed(pattern) for pattern in patterns)


def runs_foreign_code(resolver: URLResolver) -> bool:
    """Whether resolving may run code of the project's own, which may ask a database."""
    return any(resolves_itself(entry) or is_foreign(entry.pattern) for entry in _entries(resolver))


def depends_on_path_alone(resolver: URLResolver) -> bool:
    """Whether resolving has no other input than the path: nothing of the project's own takes part in it."""
    try:
        _check(resolver.pattern)
        for entry in _entries(resolver):
            _check(entry.pattern)
            if resolves_itself(entry) or is_foreign(entry.pattern):
                return False
    except Untranslatable:
        return False
    return True


def resolves_itself(entry: Any) -> bool:
    """Whether an entry of the URLconf is of a class that resolves in its own way."""
    kind = URLResolver if isinstance(entry, URLResolver) else URLPattern
    return type(entry).resolve is not kind.resolve


def is_foreign(pattern: Any) -> bool:
    """Whether matching runs code of the project's own: a converter of it, or a class of patterns."""
    if type(pattern) not in (RegexPattern, RoutePattern, LocalePrefixPattern):
        return True
    # to_python() of such a converter may refuse what its expression matches, or ask a database.
    return any(type(converter) not in _OWN_CONVERTERS for converter in pattern.converters.values())


def walk(resolver: URLResolver, within: tuple[URLResolver, ...] = ()) -> Iterator[tuple[Any, tuple[URLResolver, ...]]]:
    """Every pattern and resolver below, with the resolvers it is within; a resolver before what it holds."""
    for entry in resolver.url_patterns:
        yield entry, within
        if isinstance(entry, URLResolver) and entry not in within:
            yield from walk(entry, (*within, entry))


def why_left_to_python(entry: Any) -> str:
    """What about a pattern or resolver, whatever it is within, only Python can tell; empty: nothing."""
    if resolves_itself(entry):
        return "a pattern or resolver of its own"
    try:
        (_prefix if isinstance(entry, URLResolver) else _endpoint)(entry.pattern)
    except Untranslatable as why:
        return str(why)
    return ""


def _entries(resolver: URLResolver) -> Iterator[Any]:
    return (entry for entry, _ in walk(resolver))


def _below(
    resolver: URLResolver, before: str, is_async: Callable[[Any], bool], within: tuple[URLResolver, ...] = ()
) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        try:
            if resolves_itself(entry):
                raise Untranslatable("a pattern or resolver of its own")
            if isinstance(entry, URLResolver):
                if entry in within:
                    raise Untranslatable("a URLconf that includes itself")
                yield from _below(entry, before + _prefix(entry.pattern), is_async, (*within, entry))
            else:
                yield rf"\A(?:{before}{_endpoint(entry.pattern)})\z", ASYNC if is_async(entry.callback) else SYNC
        except Untranslatable:
            yield None, SYNC


def _prefix(pattern: Any) -> str:
    if type(pattern) is LocalePrefixPattern:
        return _language_prefix(pattern)
    _check(pattern)
    return prefix(pattern.regex)


def _language_prefix(pattern: LocalePrefixPattern) -> str:
    """Any of the languages: the one a path begins with is the one that LocaleMiddleware makes active."""
    if not any(path.endswith("LocaleMiddleware") for path in settings.MIDDLEWARE):
        raise Untranslatable("a language that is chosen elsewhere")
    codes = [re.escape(code) for code, _ in settings.LANGUAGES]
    if pattern.prefix_default_language:
        return f"(?:{'|'.join(codes)})/"
    without = re.escape(settings.LANGUAGE_CODE)
    return f"(?:(?:{'|'.join(code for code in codes if code != without)})/)?"


def _endpoint(pattern: Any) -> str:
    _check(pattern)
    regex = pattern.regex
    whole = type(pattern) is RegexPattern and pattern._is_endpoint and regex.pattern.endswith("$")
    return endpoint(regex, whole=whole)


def _check(pattern: Any) -> None:
    if type(pattern) not in (RegexPattern, RoutePattern) or not _is_fixed(pattern):
        raise Untranslatable("a pattern that depends on the language, or of a class of its own")


_OWN_CONVERTERS = frozenset(type(converter) for converter in DEFAULT_CONVERTERS.values())


def _is_fixed(pattern: Any) -> bool:
    """Whether the pattern is plain text rather than a lazily translated one."""
    return isinstance(getattr(pattern, "_route", getattr(pattern, "_regex", None)), str)
