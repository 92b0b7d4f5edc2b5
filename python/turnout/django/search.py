"""Looks a path up in a URLconf without running anything of the project's own, for the choice of a track.

As Django's `resolve`, but no converter is asked: one that asks a database may not do so on the loop, and one that calls
a slow service would hold up every other request. It is taken to accept what its expression matches, which costs time,
never the result, where it does not.
"""

from __future__ import annotations

from typing import Any

from django.urls import Resolver404
from django.urls.resolvers import RoutePattern, URLResolver

from turnout.django import routes


class Search:
    """One path in one URLconf, in the language that is active."""

    #: The view, and the text of its route as Django would put it together; None and "" where there is no view.
    view: Any = None
    route = ""
    #: Resolving this path runs code of the project's own.
    foreign = False

    def __init__(self, resolver: URLResolver, path: str) -> None:
        rest = self._rest(resolver.pattern, path)
        if rest is not None:
            self._below(resolver, rest, "")

    def _below(self, resolver: URLResolver, path: str, before: str) -> bool:
        for entry in resolver.url_patterns:
            if routes.resolves_itself(entry):
                found = self._asked(entry, path, before)
            elif (rest := self._rest(entry.pattern, path)) is None:
                continue
            elif isinstance(entry, URLResolver):
                found = self._below(entry, rest, _joined(before, str(entry.pattern)))
            else:
                self.view, self.route = entry.callback, _joined(before, str(entry.pattern))
                return True
            if found:
                return True
        return False

    def _rest(self, pattern: Any, path: str) -> str | None:
        """What a pattern leaves of the path, if it matches."""
        if routes.is_foreign(pattern):
            if type(pattern) is RoutePattern:
                match = pattern.regex.match(path)
                self.foreign |= match is not None
                return path[match.end() :] if match else None
            self.foreign = True
        matched = pattern.match(path)
        return matched[0] if matched else None

    def _asked(self, entry: Any, path: str, before: str) -> bool:
        """Nobody else than the entry can tell."""
        self.foreign = True
        try:
            match = entry.resolve(path)
        except Resolver404:
            return False
        if match is None:
            return False
        self.view, self.route = match.func, _joined(before, match.route or "")
        return True


def _joined(before: str, route: str) -> str:
    return before + route.removeprefix("^") if before else route
