"""WhiteNoise's middleware, which Django calls sync only: it looks a path up, and opens a file if there is one.

Its `__call__` is told here as a process_request (synconly.py), so that a path which is no file costs an async request
one look into a dictionary. A file is opened on a thread; whoever sends it, it is not this hook.
"""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings

from turnout.django import targets
from turnout.django.hooks.verdicts import Hooks, Vetted
from turnout.django.layers import OnThread

#: What serves a request. The other methods fill the dictionary while the instance is made, and are the project's to
#: override.
SERVING = ("__call__", "serve", "files", "autorefresh", "get_response", "__getattr__", "__getattribute__")


def static_files(middleware: Any) -> Vetted:
    """With autorefresh the disk is asked for each path; so it is on a thread."""
    return Vetted(not middleware.autorefresh and type(middleware.files) is dict, True)


def static_files_apart(middleware: Any) -> Hooks:
    """What `__call__` does before it asks the layer below."""

    def process_request(request: Any) -> Any:
        if middleware.autorefresh:
            found = middleware.find_file(request.path_info)
        else:
            found = middleware.files.get(request.path_info)
        if found is None:
            return None
        if _opens_no_file(found, request):
            return middleware.serve(found, request)
        return OnThread(open_static_file, middleware, found, request)

    return Hooks(process_request, None)


def open_static_file(middleware: Any, found: Any, request: Any) -> Any:
    """The answer with the file, on a thread."""
    return middleware.serve(found, request)


def asks_the_disk() -> str:
    """For the banner: what the constructor reads."""
    return "WHITENOISE_AUTOREFRESH asks the disk" if getattr(settings, "WHITENOISE_AUTOREFRESH", settings.DEBUG) else ""


def _opens_no_file(found: Any, request: Any) -> bool:
    responders = sys.modules["whitenoise.responders"]
    if type(found) is responders.Redirect:
        return True
    return type(found) is responders.StaticFile and (request.method != "GET" or found.is_not_modified(request.META))


def _runs(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> targets.Runs:
    """Nothing of the project's runs when a file of WhiteNoise's own class is opened."""
    found = arguments[1]
    known = type(found).__module__ == "whitenoise.responders"
    return targets.Runs.VETTED if known else targets.Runs.FOREIGN


targets.judges(open_static_file, _runs)
