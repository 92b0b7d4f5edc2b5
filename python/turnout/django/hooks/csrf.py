"""CsrfViewMiddleware: its checks run on the loop, the page that says no is rendered on a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.middleware.csrf import CsrfViewMiddleware

from turnout.django.hooks.verdicts import Vetted
from turnout.django.layers import Rejected

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
# A form of this size is parsed in well under a millisecond; larger ones go to the thread.
_FORM_INLINE_BYTES = 16 * 1024


def csrf(middleware: CsrfViewMiddleware) -> Vetted:
    """Only a token kept in the session makes these hooks block."""
    return Vetted(_csrf_request, _csrf_response)


def _csrf_request(request: Any) -> bool:
    if not settings.CSRF_USE_SESSIONS:
        return True
    session = getattr(request, "session", None)
    return session is None or hasattr(session, "_session_cache") or not session.session_key


def _csrf_response(request: Any, response: Any) -> bool:
    return not settings.CSRF_USE_SESSIONS or not request.META.get("CSRF_COOKIE_NEEDS_UPDATE")


def accepts(request: Any, callback: Any) -> bool:
    """Requests that process_view lets through without a look at their body, their token or their origin."""
    return (
        request.method in _SAFE_METHODS
        or getattr(request, "csrf_processing_done", False)
        or getattr(callback, "csrf_exempt", False)
    )


def needs_no_thread(request: Any, callback: Any) -> bool:
    """Whether the whole check can be made without reading a file, a large form or the session."""
    if accepts(request, callback):
        return True
    if not _csrf_request(request):
        return False
    if request.method != "POST" or hasattr(request, "_post"):
        return True
    if request.content_type == "multipart/form-data":
        return False
    if request.content_type != "application/x-www-form-urlencoded":
        return True
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and int(length) <= _FORM_INLINE_BYTES and hasattr(request, "_stream")


class _Rejection(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


class _CsrfProbe(CsrfViewMiddleware):
    """Django's checks as they are, but a rejection is reported instead of rendered (templates, logging: a thread)."""

    def _reject(self, request: Any, reason: str) -> Any:
        raise _Rejection(reason)


def probing(middleware: CsrfViewMiddleware) -> Callable[..., Any]:
    """`process_view` for the loop: a rejection comes back as something that a thread can render."""
    probe = _CsrfProbe.__new__(_CsrfProbe)
    # Shared on purpose: the cached origins belong to the instance in the chain.
    probe.__dict__ = middleware.__dict__
    check = probe.process_view

    def process_view(request: Any, callback: Any, args: Any, kwargs: Any) -> Any:
        try:
            return check(request, callback, args, kwargs)
        except _Rejection as rejection:
            reason = rejection.reason
        return Rejected(lambda request: middleware._reject(request, reason))

    return process_view
