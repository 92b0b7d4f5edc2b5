"""The answers of ``turnout routes`` as text for a terminal, a pager or ``grep``: each line of a route has all of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from turnout import banner
from turnout.routes.facts import ASYNC, SYNC, Include, Route, Served
from turnout.routes.holding import findings
from turnout.routes.style import Style

# An include of at least so many routes that are all alike is one line at a terminal.
_MANY = 12
Row = tuple[str, str, str]


def render(served: Served, every: list[Route], shown: list[Route], style: Style, *, collapse: bool, alone: bool) -> str:
    """Routes, and unless `alone` middleware and what keeps a thread. `collapse`: at a terminal one line may be many."""
    lines = [_head(served, style), "", style.bold(_counted(served, every, shown))]
    reasons: dict[str, int] = {}
    rows = list(_routes(shown, reasons, collapse=style.terminal and collapse))
    lines += _set(rows, style) if rows else ["  none that was asked for"]
    for reason, number in reasons.items():
        lines += style.wrap(f"({number}) found out request by request: {reason}", "  ", "      ")
    if served.fixed and served.why:
        lines += style.wrap(f"All requests take the {served.fixed} track: {served.why}.", "  ", "  ")
    if alone:
        return "\n".join(lines)
    middleware = served.described["middleware"]
    if middleware:
        said = "(for requests on the event loop)"
        lines += ["", f"{style.bold('Middleware, from the outside in')} {style.dim(said)}"]
        lines += _set([(mode, path, why) for path, mode, why in middleware], style, alike=True)
    lines += ["", style.bold("What would keep a thread while an async view waits")]
    found = [(finding.kind, finding.what, finding.why) for finding in findings(served, every)]
    lines += _set(found, style, alike=True) if found else ["  nothing but what the views do themselves"]
    for note in served.described["notes"]:
        lines += style.wrap(f"note: {note}", "", "  ")
    return "\n".join(lines)


def paths(explained: list[dict[str, Any]], style: Style) -> str:
    """What `paths.explain` found, one block a path."""
    blocks = []
    for facts in explained:
        lines = [f"{style.bold(facts['path'])}  {style.word(facts['track'], facts['track'])}"]
        arguments = ", ".join(f"{name}={value}" for name, value in facts["arguments"].items())
        for label, text in (("route", facts["route"]), ("name", facts["name"]), ("arguments", arguments)):
            if text:
                lines.append(f"  {style.dim(f'{label:<10}')}{text}")
        lines.insert(1, f"  {style.dim('view      ')}{facts['view'] or 'none'}")
        for number, sentence in enumerate(facts["why"]):
            label = style.dim(f"{'why' if number == 0 else '':<10}")
            first, *rest = style.wrap(sentence, " " * 12, " " * 12)
            lines += [f"  {label}{first[12:]}", *rest]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _head(served: Served, style: Style) -> str:
    project, handler = served.project, served.handler
    if handler is None:
        kind = f"plain {project.kind.upper()}"
    else:
        kind = {"asgi": "ASGIRequest", "wsgi": "WSGIRequest"}[handler.request_kind]
    text = f"({banner.versions(project)}), {kind} from {project.label}: {project.why}"
    first, *rest = style.wrap(f"{project.name} {text}", "", "  ")
    return "\n".join([style.bold(project.name) + first[len(project.name) :], *rest])


def _counted(served: Served, every: list[Route], shown: list[Route]) -> str:
    numbers = [sum(route.track == track for route in shown) for track in (SYNC, ASYNC)]
    of = f" of {len(every)}" if len(shown) < len(every) else ""
    noun = "route" if len(every) == 1 else "routes"
    return f"{len(shown)}{of} {noun} of {served.urlconf}: {numbers[0]} sync, {numbers[1]} async"


def _routes(routes: list[Route], reasons: dict[str, int], *, collapse: bool) -> Iterator[Row]:
    for top, group in groupby(routes, key=lambda route: route.includes[:1]):
        members = list(group)
        if collapse and top and len(members) >= _MANY and len({(it.track, it.why) for it in members}) == 1:
            track = _track(members[0], reasons)
            yield track, f"{top[0].prefix}...", f"{len(members)} routes{_named(top[0])}: turnout routes {top[0].prefix}"
            continue
        said: Include | None = None
        for route in members:
            include = next((it for it in reversed(route.includes) if _named(it)), None)
            if include is not None and include != said:
                said = include
                yield "", include.prefix, f"include{_named(include)}"
            yield _track(route, reasons), route.shown, route.view


def _named(include: Include) -> str:
    module = f" of {include.module}" if include.module else ""
    namespace = f" in namespace {include.namespace}" if include.namespace else ""
    return f"{module}{',' if module and namespace else ''}{namespace}"


def _track(route: Route, reasons: dict[str, int]) -> str:
    if not route.why:
        return route.track
    return f"{route.track} ({reasons.setdefault(route.why, len(reasons) + 1)})"


def _set(rows: list[Row], style: Style, *, alike: bool = False) -> Iterator[str]:
    """Three columns; the third goes below the second where the line is too short. `alike`: in all rows or in none."""
    first = max(len(row[0]) for row in rows) + 2
    second = max(len(row[1]) for row in rows) + 2
    whole = 2 + first + second + max(len(row[2]) for row in rows)
    all_fit = style.width is None or whole <= style.width
    if style.width is not None and not all_fit:
        # Long routes must not push the views of all others off the line.
        second = min(second, (style.width - first - 2) // 2)
    for word, text, more in rows:
        start = f"  {style.word(word, f'{word:<{first}}')}"
        fits = style.width is None or (len(text) + 2 <= second and 2 + first + second + len(more) <= style.width)
        if all_fit or (fits and not alike):
            yield f"{start}{text:<{second}}{_beside(more, word, style)}".rstrip()
            continue
        yield f"{start}{text}"
        if more:
            indent = " " * (first + 4)
            for line in style.wrap(more, indent, indent):
                yield _beside(line, word, style)


def _beside(text: str, word: str, style: Style) -> str:
    """The third column: a view is as important as its route, what is said about something is not."""
    return text if word.partition(" ")[0] in (SYNC, ASYNC) else style.dim(text)
