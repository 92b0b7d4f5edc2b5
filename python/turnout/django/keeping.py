"""What kept a thread that a request did not use: told to the operator once for each view and reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from turnout.django.hops import RequestThread
from turnout.incoming import current_scope

log = logging.getLogger("turnout.django")

# Views and reasons remembered; routes are the project's, but paths without one are the client's choice.
_REMEMBERED = 1024


class Keepers:
    """The views whose requests keep a thread while they wait, and why."""

    def __init__(self) -> None:
        #: (view, reason), each said once.
        self.seen: set[tuple[str, str]] = set()

    def note(self, thread: RequestThread) -> None:
        """A request keeps its thread after a hop. Called on that thread."""
        seen = _view_of(thread.request), thread.kept
        if seen in self.seen or len(self.seen) >= _REMEMBERED:
            return
        self.seen.add(seen)
        log.warning("%s keeps a thread while it waits: %s", *seen)


def waiting_below(get_response: Callable[[Any], Any], what: str) -> Callable[[Any], Any]:
    """What a sync middleware of the async chain asks: while the layers below answer on the loop, its thread waits."""

    @wraps(get_response, updated=())
    def wait(request: Any) -> Any:
        scope = current_scope.get()
        if scope is None:
            return get_response(request)
        scope.keeps(what)
        try:
            return get_response(request)
        finally:
            scope.lets_go()

    return wait


def _view_of(request: object) -> str:
    match = getattr(request, "resolver_match", None)
    if match is not None:
        return match._func_path
    return "a request without a view" if request is None else "a request whose view is not known yet"
