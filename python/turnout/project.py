"""Finds the application to serve and says how it is to be called. Knows nothing of servers or workers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, signature
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal

Kind = Literal["asgi", "django", "wsgi"]

PROJECT_FAULT = 1
USAGE_FAULT = 2

_SETTINGS_IN_MANAGE = re.compile(
    r"""["']DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*["']([\w.]+)["']""",
)


class ProjectError(Exception):
    """The project cannot be served: one line for the operator, and whose fault it is."""

    def __init__(self, message: str, status: int = PROJECT_FAULT) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Project:
    """An application and how to call it."""

    kind: Kind
    application: Any
    #: ``mysite.wsgi:application``.
    label: str
    #: Why this entry point, and thus this request class, was taken.
    why: str

    @property
    def name(self) -> str:
        """The package a person would call the project by."""
        settings = os.environ.get("DJANGO_SETTINGS_MODULE") if self.kind == "django" else None
        return (settings or self.label).partition(".")[0].partition(":")[0]


def load(app: str | None, interface: str) -> Project:
    """Import the application named by ``app``, or the one of the Django project here or above.

    Where the project's own code raised, its traceback is printed before ProjectError says so in one line.
    """
    directory = Path.cwd()
    manage = find_manage(directory)
    _set_path(directory, manage.parent if manage else None, named=app is not None)
    with _middleware_deferred(manage):
        return _load(app, interface, manage, directory)


def _load(app: str | None, interface: str, manage: Path | None, directory: Path) -> Project:
    if app is not None:
        if manage and "DJANGO_SETTINGS_MODULE" not in os.environ:
            # What mysite/wsgi.py does itself; an app beside the project may rely on manage.py's word.
            name = _settings_of(manage)
            if name:
                os.environ["DJANGO_SETTINGS_MODULE"] = name
        application = import_object(app)
        kind, why = classify(application, app, interface)
        return Project(kind, application, app, why)
    if manage is None:
        raise ProjectError(
            f"no manage.py in {directory} or above: go to a Django project, or name an application, "
            "such as turnout serve mysite.wsgi:application",
            USAGE_FAULT,
        )
    return _django_project(manage, interface)


def _set_path(directory: Path, project: Path | None, *, named: bool) -> None:
    """Where to import from: as ``manage.py`` for a project that was found, from here on for an application by name."""
    folders = [directory, project] if named else [project]
    known = {str(directory), str(project), ""}
    sys.path[:] = [*dict.fromkeys(str(it) for it in folders if it), *(it for it in sys.path if it not in known)]


def find_manage(directory: Path) -> Path | None:
    """The nearest manage.py, here or above."""
    for folder in (directory, *directory.parents):
        manage = folder / "manage.py"
        if manage.is_file():
            return manage
    return None


def import_object(text: str) -> Any:
    """Import ``module:attribute``; ``module`` alone means its ``application``."""
    module_name, _, path = text.partition(":")
    if not re.fullmatch(r"[\w.]+", module_name) or module_name.endswith(".py"):
        hint = re.sub(r"\.py$", "", module_name).strip("./").replace("/", ".")
        raise ProjectError(f"{text}: write module:attribute, such as {hint or 'mysite.wsgi'}:application", USAGE_FAULT)
    found = import_module(module_name)
    for attribute in (path or "application").split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise ProjectError(_no_attribute(found, attribute, module_name), USAGE_FAULT) from None
    if not callable(found):
        raise ProjectError(f"{text} is a {type(found).__name__}, not an application: it cannot be called", USAGE_FAULT)
    return found


def import_module(name: str) -> ModuleType:
    """Import a module: missing is one thing, raising while it is imported another."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise ProjectError(
                f"no module named {name}: looked in {Path.cwd()} and in Python's path", USAGE_FAULT
            ) from None
        raise project_raised(error, f"importing {name}") from error
    except BaseException as error:
        raise project_raised(error, f"importing {name}") from error


def project_raised(error: BaseException, doing: str) -> ProjectError:
    """Print the project's traceback without turnout's frames; the result says the same in one line."""
    if isinstance(error, (KeyboardInterrupt, ProjectError)):
        raise error
    traceback.print_exception(type(error), error, own_frames(error.__traceback__))
    text = " ".join(str(error).split())
    return ProjectError(f"{doing} failed with {type(error).__name__}{': ' + text if text else ''}")


def classify(application: Any, label: str, interface: str) -> tuple[Kind, str]:
    """How an application wants to be called, and why it is believed so."""
    handler = _django_handler(application)
    if interface == "django" and not handler:
        raise ProjectError(
            f"{label} is a {type(application).__name__}, not a Django handler: "
            f"--interface {'asgi' if is_asgi(application) else 'wsgi'} serves it",
            USAGE_FAULT,
        )
    if handler and interface in ("auto", "django"):
        return "django", f"{label} is a {handler}"
    if interface in ("asgi", "wsgi"):
        return interface, "--interface says so"  # type: ignore[return-value]
    kind = "an async callable" if is_asgi(application) else "a plain callable"
    name = type(application).__name__
    return ("asgi" if is_asgi(application) else "wsgi"), f"it is {kind}" + (f" ({name})" if name != "function" else "")


def is_asgi(application: Any) -> bool:
    """Whether it looks like ASGI 3: an async callable, or one that must be given scope, receive and send."""
    if iscoroutinefunction(application) or iscoroutinefunction(type(application).__call__):
        return True
    try:
        parameters = signature(application).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [p.kind in positional for p in parameters if p.default is Parameter.empty] == [True, True, True]


def _django_handler(application: Any) -> str | None:
    # Without Django loaded it cannot be one, and a Flask app should not pay for the import.
    if "django.core.handlers.base" not in sys.modules:
        return None
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    return type(application).__name__ if isinstance(application, (ASGIHandler, WSGIHandler)) else None


def _django_project(manage: Path, interface: str) -> Project:
    name = os.environ.get("DJANGO_SETTINGS_MODULE") or _settings_of(manage)
    if not name:
        raise ProjectError(f"{manage} does not name DJANGO_SETTINGS_MODULE: set that variable", USAGE_FAULT)
    os.environ["DJANGO_SETTINGS_MODULE"] = name
    try:
        from django.conf import settings
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise project_raised(error, "importing Django") from error
        raise ProjectError(f"Django is not installed for {sys.executable}") from None
    try:
        asgi, wsgi = getattr(settings, "ASGI_APPLICATION", None), settings.WSGI_APPLICATION
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise ProjectError(f"no module named {name}, which DJANGO_SETTINGS_MODULE names") from None
        raise project_raised(error, f"loading {name}") from error
    except BaseException as error:
        raise project_raised(error, f"loading {name}") from error

    if interface == "asgi" or (asgi and interface != "wsgi"):
        why = "ASGI_APPLICATION is set" if asgi else "--interface says so"
        return _entry("asgi", asgi or _sibling(wsgi, "asgi"), interface, why)
    project = _entry("wsgi", wsgi, interface, "no view or middleware is async, and ASGI_APPLICATION is not set")
    if interface == "wsgi" or project.kind != "django":
        return project
    # Only now: what wsgi.py sets up before Django came first, as under any other server.
    try:
        found = next(async_parts(settings), None)
    except BaseException as error:
        raise project_raised(error, "loading the URLconf") from error
    if found is None:
        return project
    return _entry("asgi", _sibling(wsgi, "asgi"), interface, f"{found} is async")


def _entry(kind: str, path: str | None, interface: str, why: str) -> Project:
    """The application at a dotted path as Django's settings have it, or Django's default one."""
    if path:
        module, _, attribute = path.rpartition(".")
        label = f"{module}:{attribute}"
        application = import_object(label)
    else:
        label = f"django.core.{kind}.get_{kind}_application"
        try:
            application = getattr(importlib.import_module(f"django.core.{kind}"), f"get_{kind}_application")()
        except BaseException as error:
            raise project_raised(error, "setting Django up") from error
    found, because = classify(application, label, interface)
    return Project(found, application, label, why if found == "django" or interface != "auto" else because)


def _sibling(wsgi: str | None, module: str) -> str | None:
    """``mysite.asgi.application`` beside ``mysite.wsgi.application``, if there is such a file."""
    package = (wsgi or "").rpartition(".")[0].rpartition(".")[0]
    try:
        found = package and importlib.util.find_spec(f"{package}.{module}")
    except (ImportError, ValueError):
        return None
    return f"{package}.{module}.application" if found else None


def async_parts(settings: Any) -> Iterator[str]:
    """Names of the views and middleware that are async and nothing else."""
    from django.urls import get_resolver
    from django.utils.module_loading import import_string

    from turnout.django.routes import views

    for path in settings.MIDDLEWARE:
        middleware = import_string(path)
        if getattr(middleware, "async_capable", False) and not getattr(middleware, "sync_capable", True):
            yield f"middleware {path}"
    for view in views(get_resolver()):
        if iscoroutinefunction(view) or _marked(view):
            yield f"view {getattr(view, '__module__', '')}.{getattr(view, '__qualname__', view)}"


def _marked(view: Any) -> bool:
    # Django and asgiref mark what wraps a coroutine function (View.as_view, decorators) as one of their own kind.
    from asgiref.sync import iscoroutinefunction as marked

    return marked(view)


def _middleware_deferred(manage: Path | None) -> AbstractContextManager[None]:
    """Entry modules make handlers, and those the project's middleware, of which turnout makes its own where needed."""
    if manage is None and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return nullcontext()
    try:
        from turnout.django.deferral import middleware_deferred
    except ImportError:
        # No Django here: whoever needs it says so.
        return nullcontext()
    return middleware_deferred()


def _settings_of(manage: Path) -> str | None:
    found = _SETTINGS_IN_MANAGE.search(manage.read_text(encoding="utf-8", errors="replace"))
    return found.group(1) if found else None


def _no_attribute(owner: Any, attribute: str, module: str) -> str:
    if attribute == "app" or not isinstance(owner, ModuleType):
        likely = []
    else:
        likely = [name for name in ("application", "app", "api", "create_app") if hasattr(owner, name)]
    hint = f": it has {likely[0]}" if likely else ""
    return f"module {module} has no attribute {attribute}{hint}"


def own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Without the leading frames of turnout and of the import machinery."""
    here = str(Path(__file__).parent)
    while frames is not None:
        name = frames.tb_frame.f_code.co_filename
        if not (name.startswith((here, "<frozen importlib")) or name == importlib.__file__):
            return frames
        frames = frames.tb_next
    return None
