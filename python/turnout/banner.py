"""What a server says about itself when it starts: what it serves, how, and what its numbers mean."""

from __future__ import annotations

import os
import platform
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TextIO

from turnout import watching
from turnout.project import Project

_WIDTH = 110
_LABEL = 15


def colours(stream: TextIO | None = None) -> bool:
    """Whether standard error, or another stream, is a terminal and nobody said no (no-color.org)."""
    terminal = (stream or sys.stderr).isatty()
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render(project: Project, settings: dict[str, Any], described: dict[str, Any] | None, *, colour: bool) -> str:
    """The banner's text; ``described`` is what `DjangoHandler.describe` says, None for other applications."""
    bold, dim, plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if colour else ("", "", "")
    lines = [f"{bold}turnout {_version('turnout')}{plain} serves {bold}{project.name}{plain} ({versions(project)})"]
    for label, text in _rows(project, settings, described):
        wrapped = textwrap.wrap(text, _WIDTH - _LABEL - 2, break_long_words=False, break_on_hyphens=False) or [""]
        for number, piece in enumerate(wrapped):
            lines.append(f"  {dim}{label if number == 0 else '':<{_LABEL}}{plain}{piece}")
    return "\n".join(lines)


def _rows(project: Project, settings: dict[str, Any], described: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if described is None:
        yield "application", f"{project.label}, {project.kind.upper()}: {project.why}"
    else:
        yield from _django_rows(project, settings, described)
    if project.kind != "asgi":
        yield "threads", _threads(settings, described)
    if described is not None:
        yield from _databases(settings)
    yield "workers", _workers(settings, django=described is not None)
    yield "accounting", _accounting(settings)
    yield "access log", _access_log(settings)
    yield "admin", settings["admin"] or "off; --admin 127.0.0.1:9180"
    if settings["history"]:
        yield "history", settings["history"]


def _django_rows(project: Project, settings: dict[str, Any], described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind = {"asgi": "ASGIRequest", "wsgi": "WSGIRequest"}.get(described.get("request_kind", ""), "request")
    yield "requests are", f"{kind} from {project.label}: {described.get('request_why') or project.why}"
    yield "views", f"{described.get('views_sync', 0)} sync, {described.get('views_async', 0)} async"
    if not settings["compat"]:
        yield from _middleware_rows(described)
    for note in described.get("notes", ()):
        yield "note", note


def _middleware_rows(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    inline = [name for name, mode, _ in described.get("middleware", ()) if mode == "inline"]
    count = len(described.get("middleware", ())) - len(inline)
    modes = f"{len(inline)} inline on the event loop, {count} not"
    yield "middleware", f"{modes} (for async views; sync views run whole on a thread)"
    for name, mode, why in described.get("middleware", ()):
        # What turnout found out by itself needs no line; what it was told does.
        if mode != "inline" or why.startswith("declared"):
            yield "", f"{mode}: {name}: {why}"


def _threads(settings: dict[str, Any], described: dict[str, Any] | None) -> str:
    sync = f"up to {settings['threads']} run sync {'views' if described is not None else 'code'}"
    if described is None:
        return f"{sync}, each worker"
    hops = (
        f"up to {settings['hop_threads']} Django's own calls from async views, {settings['exclusive_threads']} others"
    )
    return f"{sync}, {hops}, each worker"


def _databases(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each thread that may run the project's code keeps a connection of its own to each database it uses."""
    from django.conf import settings as django

    threads = settings["threads"] + settings["hop_threads"] + settings["exclusive_threads"]
    workers = settings["workers"]
    for alias, database in django.DATABASES.items():
        engine = str(database.get("ENGINE", "")).rpartition(".")[2]
        if engine in ("", "dummy"):
            continue
        total = f", {threads * workers} with {workers} workers" if workers > 1 else ""
        hint = "; --threads and --exclusive-threads must suit what it allows" if engine != "sqlite3" else ""
        yield "database", f"{alias} ({engine}): up to {threads} connections{total}{hint}"


def _workers(settings: dict[str, Any], *, django: bool) -> str:
    workers = settings["workers"]
    cores = settings["cores"]
    if workers == 1 and cores > 1 and not (django and _debug()):
        return f"1; this process may use {cores} cores: --workers auto"
    return str(workers)


def _debug() -> bool:
    from django.conf import settings

    return bool(settings.DEBUG)


def _accounting(settings: dict[str, Any]) -> str:
    """How time is accounted for, and which clients' calls are told; others are from when they are imported."""
    if settings["accounting"] == "off":
        return "off; --accounting exact or sampled"
    if not settings["watch_clients"]:
        return f"{settings['accounting']}; calls of other clients are not watched"
    names = " ".join(watching.watched()) or "clients that are imported later"
    return f"{settings['accounting']}; calls are watched of {names}"


def _access_log(settings: dict[str, Any]) -> str:
    if settings["access_log"] == "off":
        return "off; --access-log text or json"
    return f"{settings['access_log']}, to {settings['access_log_file'] or 'standard output'}"


def versions(project: Project) -> str:
    """What the project runs on."""
    versions = [f"{platform.python_implementation()} {platform.python_version()}".replace("CPython", "Python")]
    if project.kind == "django":
        versions.insert(0, f"Django {_version('django')}")
    return ", ".join(versions)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"
