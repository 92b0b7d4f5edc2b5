"""ADRF's own hops: `initial` before each handler, and the handlers that DRF itself provides.

`initial` is negotiation, versioning, authentication, permissions and throttles. It may run on the loop where each of
them is DRF's own and blocks for nothing in this request: nobody is logged in, or the user is known.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import adrf.requests
import adrf.views
import rest_framework.views
from rest_framework.metadata import SimpleMetadata
from rest_framework.settings import api_settings

from turnout.django import vetting
from turnout.django.targets import Runs
from turnout.django.targets.drf import authentication, stages
from turnout.django.targets.drf.read import GROUPS, computes, unread

_HOMES = (adrf.views.APIView, rest_framework.views.APIView)
# What `initial` calls on the view, and what else may change how it does.
_METHODS = frozenset(
    name.rpartition(".")[2]
    for group in ("initial", "object permissions")
    for name in GROUPS[group]
    if name.startswith(("adrf.views.APIView.", "rest_framework.views.APIView."))
)
_SPECIAL = frozenset(("__getattribute__", "__getattr__", "__setattr__"))
# What it reads and writes there: data, or the project's code would run.
_DATA = {
    *("renderer_classes", "permission_classes", "throttle_classes", "content_negotiation_class", "versioning_class"),
    *("settings", "format_kwarg", "_negotiator"),
}


def judge_initial(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`APIView.initial(view, request, ...)`."""
    view, request = args[:2]
    if foreign(type(view)) or type(request) is not adrf.requests.AsyncRequest or not _is_untouched(view):
        return Runs.FOREIGN
    try:
        plain = (
            stages.negotiates_plainly(type(request.negotiator))
            and view.__dict__.get("_negotiator") is request.negotiator
            and not request.negotiator.__dict__
            and stages.made_plainly(tuple(view.renderer_classes))
            and stages.versions_plainly(view.versioning_class)
        )
        rules = stages.permissions_of(tuple(view.permission_classes)) if plain else None
        throttles = tuple(view.throttle_classes)
    except TypeError:
        # Not what DRF expects there: it will say so itself.
        return Runs.FOREIGN
    if rules is None:
        return Runs.FOREIGN
    runs, who = authentication.outcome(request)
    if runs is Runs.FOREIGN:
        return runs
    asked = stages.ask(rules, view, request.method, who)
    if throttles and asked is not Runs.FOREIGN:
        counted = stages.throttles(throttles, view, who, _waits_for_nobody())
        asked = counted if counted is Runs.FOREIGN or asked is Runs.ON_LOOP else asked
    return runs if asked is Runs.ON_LOOP else asked


def judge_object_permissions(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`APIView.check_object_permissions(view, request, obj)`: of DRF's own, few ask anything about an object."""
    view = args[0]
    if foreign(type(view)) or not _is_untouched(view) or unread("object permissions"):
        return Runs.FOREIGN
    try:
        return Runs.ON_LOOP if stages.passes_objects(tuple(view.permission_classes)) else Runs.FOREIGN
    except TypeError:
        return Runs.FOREIGN


def judge_refusal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`APIView.http_method_not_allowed` raises, and that is all."""
    return Runs.FOREIGN if unread("refusal") else Runs.ON_LOOP


def judge_options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`APIView.options` of a view without a serializer tells what its class says."""
    view = args[0]
    kind = type(view)
    if foreign(kind) or not _is_untouched(view) or unread("options") or hasattr(kind, "get_serializer"):
        return Runs.FOREIGN
    usual = rest_framework.views
    functions = (api_settings.VIEW_NAME_FUNCTION, api_settings.VIEW_DESCRIPTION_FUNCTION)
    own = (kind.get_view_name, kind.get_view_description, view.metadata_class)
    if functions != (usual.get_view_name, usual.get_view_description):
        return Runs.FOREIGN
    return Runs.ON_LOOP if own == (*_named(usual.APIView), SimpleMetadata) else Runs.FOREIGN


def _named(kind: Any) -> tuple[Any, Any]:
    return kind.get_view_name, kind.get_view_description


@lru_cache(maxsize=1024)
def foreign(kind: type) -> str:
    """What a class of views brings of its own into `initial`; empty when nothing."""
    if unread("initial"):
        return unread("initial")
    for cls in kind.__mro__:
        if cls is object or cls in _HOMES:
            continue
        for name, value in cls.__dict__.items():
            if name in _METHODS or name in _SPECIAL:
                return f"{cls.__qualname__}.{name}"
            if name in _DATA and computes(value):
                return f"{cls.__qualname__}.{name}"
    if not issubclass(kind, adrf.views.APIView):
        return f"{kind.__qualname__} is no view of ADRF"
    settings = kind.settings  # type: ignore[attr-defined]
    return "" if settings is api_settings else f"{kind.__qualname__}.settings"


def _is_untouched(view: Any) -> bool:
    """Whether nobody put a method of his own, or other settings, into this instance."""
    return _METHODS.isdisjoint(view.__dict__) and "settings" not in view.__dict__


# --- throttles without a round trip to the loop ---


def _check_throttles(self: Any, request: Any) -> None:
    """ADRF's `check_throttles`, less the wait for a coroutine that goes through an empty list."""
    sync, asynchronous = [], []
    for throttle in self.get_throttles():
        (asynchronous if adrf.views.iscoroutinefunction(throttle.allow_request) else sync).append(throttle)
    durations = self.check_sync_throttles(request, sync) if sync else []
    if asynchronous:
        durations = [*durations, *adrf.views.async_to_sync(self.check_async_throttles)(request, asynchronous)]
    if durations:
        self.throttled(request, max((known for known in durations if known is not None), default=None))


def install() -> None:
    """Put it in the place of ADRF's, while that is the one that was read."""
    theirs = adrf.views.APIView.check_throttles
    if theirs is not _check_throttles and not unread("initial"):
        vetting.stand_in(_check_throttles, theirs)
        adrf.views.APIView.check_throttles = _check_throttles


def _waits_for_nobody() -> bool:
    return adrf.views.APIView.check_throttles is _check_throttles


def is_format_suffix(converter: type) -> bool:
    """Whether a path converter is the one that DRF's routers register, for ".json" and its like."""
    name = f"{converter.__module__}.{converter.__qualname__}"
    theirs = "rest_framework.urlpatterns._get_format_path_converter.<locals>.FormatSuffixConverter"
    return name == theirs and not unread("format suffixes")


JUDGES = {
    "rest_framework.views.APIView.initial": judge_initial,
    "rest_framework.views.APIView.http_method_not_allowed": judge_refusal,
    "rest_framework.views.APIView.options": judge_options,
    "adrf.views.APIView.check_object_permissions": judge_object_permissions,
}
