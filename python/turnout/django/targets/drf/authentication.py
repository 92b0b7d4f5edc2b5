"""What authenticating one request would run: nothing that blocks, only code that was read, or somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from rest_framework import authentication, parsers
from rest_framework.request import ForcedAuthentication
from rest_framework.settings import api_settings

from turnout.django.targets import Runs
from turnout.django.targets.drf import users
from turnout.django.targets.drf.read import brings_code, unread
from turnout.django.targets.drf.users import NOBODY

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_PARSERS = (parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser, parsers.FileUploadParser)


class Outcome(NamedTuple):
    """What it takes, and the classes that the user may be of afterwards; none: the request is refused."""

    runs: Runs
    users: tuple[type, ...]


_FOREIGN = Outcome(Runs.FOREIGN, ())
# Of one authenticator: it looks and finds nothing, so the next one is asked.
_PASSES = Outcome(Runs.ON_LOOP, (NOBODY,))
_REFUSES = Outcome(Runs.ON_LOOP, ())

Rule = Callable[[Any, Any, bool], Outcome]


def outcome(request: Any) -> Outcome:
    """Of `request.user`, for an ADRF request."""
    known = request.__dict__
    if "_user" in known:
        # A lazy object shows its class only to those who ask it.
        user = known["_user"]
        return Outcome(Runs.ON_LOOP, (type(user),)) if _is_plain(type(user)) else _FOREIGN
    runs, found = Runs.ON_LOOP, ()
    for authenticator in request.authenticators:
        rule = _rule(type(authenticator))
        if rule is None or (authenticator.__dict__ and type(authenticator) is not ForcedAuthentication):
            return _FOREIGN
        # Once one was uncertain, nobody knows whether the next is asked, so nothing is touched to find out.
        one = rule(authenticator, request, runs is Runs.ON_LOOP)
        if one.runs is Runs.FOREIGN:
            return one
        if one.runs is Runs.VETTED:
            runs = Runs.VETTED
            found += one.users
        elif one is not _PASSES:
            return Outcome(runs, (*found, *one.users))
    if not _is_nobody_plain():
        return _FOREIGN
    return Outcome(runs, (*found, NOBODY))


def _is_plain(kind: type) -> bool:
    return kind is NOBODY or kind is type(None) or issubclass(kind, get_user_model())


def _is_nobody_plain() -> bool:
    return api_settings.UNAUTHENTICATED_USER in (None, NOBODY) and api_settings.UNAUTHENTICATED_TOKEN is None


@cache
def _rule(kind: type) -> Rule | None:
    for home, group, rule in _RULES:
        if issubclass(kind, home):
            return None if type(kind) is not type or brings_code(kind, home) or unread(group) else rule
    return None


def _session(authenticator: Any, request: Any, certain: bool) -> Outcome:
    http = request._request
    try:
        if not certain:
            raise users.Unknown(users.loading())
        user = users.at_hand(http)
    except users.Unknown as unknown:
        why = unknown.foreign or _reads_body_with_foreign_code(request)
        return _FOREIGN if why else Outcome(Runs.VETTED, (get_user_model(),))
    if user is NOBODY:
        return _PASSES
    kind = type(user)
    if not issubclass(kind, get_user_model()) or not users.answers_plainly(kind, "is_active"):
        return _FOREIGN
    if not user.is_active:
        return _PASSES
    if request.method in _SAFE_METHODS and not settings.CSRF_USE_SESSIONS:
        return Outcome(Runs.ON_LOOP, (kind,))
    return _FOREIGN if _reads_body_with_foreign_code(request) else Outcome(Runs.VETTED, (kind,))


def _reads_body_with_foreign_code(request: Any) -> bool:
    """The check of a POST's token looks into its form, which parses whatever the body is."""
    if request.method != "POST":
        return False
    if not all(path.startswith("django.") for path in settings.FILE_UPLOAD_HANDLERS):
        return True
    return any(type(parser) not in _PARSERS for parser in request.parsers)


def _basic(authenticator: Any, request: Any, certain: bool) -> Outcome:
    words = authentication.get_authorization_header(request).split()
    if not words or words[0].lower() != b"basic":
        return _PASSES
    if len(words) != 2:
        return _REFUSES
    return _FOREIGN if users.checking() else Outcome(Runs.VETTED, (get_user_model(),))


def _token(authenticator: Any, request: Any, certain: bool) -> Outcome:
    words = authentication.get_authorization_header(request).split()
    if not words or words[0].lower() != authenticator.keyword.lower().encode():
        return _PASSES
    if len(words) != 2:
        return _REFUSES
    why = users.reading(authenticator.get_model()) or users.reading(get_user_model())
    return _FOREIGN if why else Outcome(Runs.VETTED, (get_user_model(),))


def _forced(authenticator: Any, request: Any, certain: bool) -> Outcome:
    kind = type(authenticator.force_user)
    return Outcome(Runs.ON_LOOP, (kind,)) if _is_plain(kind) else _FOREIGN


_RULES: tuple[tuple[type, str, Rule], ...] = (
    (authentication.SessionAuthentication, "session", _session),
    (authentication.BasicAuthentication, "header", _basic),
    (authentication.TokenAuthentication, "header", _token),
    (ForcedAuthentication, "forced", _forced),
)
