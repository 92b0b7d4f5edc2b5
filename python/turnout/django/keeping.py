"""What kept a thread between the hops of a request: told to the operator once for each view and reason."""

from __future__ import annotations

import logging

from turnout.django.hops import RequestThread

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


def _view_of(request: object) -> str:
    match = getattr(request, "resolver_match", None)
    if match is not None:
        return match._func_path
    return "a request without a view" if request is None else "a request whose view is not known yet"
