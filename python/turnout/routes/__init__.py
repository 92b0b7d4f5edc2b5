"""``turnout routes``: a Django project's routes with their track, its middleware, and what would keep a thread.

Loads the project as a worker does, and serves nothing.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from turnout import project
from turnout.project import Project, ProjectError
from turnout.routes.style import Style


def main(settings: dict[str, Any], question: dict[str, Any]) -> int:
    """Answer one command line and return its exit status. Both arguments as crates/turnout-config resolved them."""
    # The tables say it, with the reason.
    logging.getLogger("turnout").setLevel(logging.ERROR)
    style = Style(sys.stdout)
    try:
        # What the project prints while it is imported is no part of the answer.
        with redirect_stdout(sys.stderr):
            answer = _answer(settings, question, style)
    except ProjectError as error:
        print(f"turnout: {error}", file=sys.stderr)
        return error.status
    try:
        print(answer, flush=True)
    except BrokenPipeError:
        # `| head` has seen enough; Python would complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _answer(settings: dict[str, Any], question: dict[str, Any], style: Style) -> str:
    loaded = project.load(settings["app"], settings["interface"])
    handler = _handler(loaded, compat=settings["compat"])

    from turnout.routes import facts, paths, table

    served = facts.Served(loaded, handler)
    served.prefix = settings["root_path"] if settings["root_path_kept"] else ""
    try:
        routes = list(facts.routes(served))
        if question["paths"]:
            explained = [paths.explain(served, routes, path) for path in question["paths"]]
            return json.dumps(explained, indent=2) if question["json"] else table.paths(explained, style)
        shown = [it for it in routes if _is_asked_for(it, question)]
        if question["json"]:
            return json.dumps(facts.as_json(served, routes, shown), indent=2)
        chosen = bool(question["below"] or question["track"])
        return table.render(served, routes, shown, style, collapse=not (chosen or question["all"]), alone=chosen)
    finally:
        if handler is not None:
            handler.close()


def _handler(loaded: Project, *, compat: bool) -> Any:
    """As the worker makes it; none for an application that hides Django's."""
    if loaded.kind == "django":
        from turnout.django.handler import DjangoHandler

        try:
            return DjangoHandler(loaded.application, compat=compat, request_why=loaded.why)
        except BaseException as error:
            raise project.project_raised(error, "loading the project") from error
    django = sys.modules.get("django.apps")
    if django is None or not django.apps.ready:
        raise ProjectError(
            f"{loaded.label} is no Django project ({loaded.why}): it has no routes that could be shown",
            project.USAGE_FAULT,
        )
    return None


def _is_asked_for(route: Any, question: dict[str, Any]) -> bool:
    if question["track"] and route.track != question["track"]:
        return False
    return not question["below"] or any(route.is_below(prefix) for prefix in question["below"])
