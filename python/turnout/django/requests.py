"""Request objects, made fast where that is the same thing as Django's constructor.

A prebuilt META ("_turnout.meta" in the scope, made by Rust in one pass) is taken only for an exact ASGIRequest whose
constructor is the vetted one; everything else goes through the handler's own `create_request`.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest

from turnout.django import shipped, vetting

META_KEY = "_turnout.meta"


class RequestMaker:
    """Makes (request, None), or (None, response) where the request is not acceptable."""

    def __init__(self, handler: Any, kind: str) -> None:
        self._handler = handler
        self._asgi = kind == "asgi"
        self._one_pass = self._asgi and one_pass_allowed(type(handler), handler.request_class)

    def __call__(self, source: dict[str, Any], body: Any) -> tuple[Any, Any]:
        """`source` is the scope or the environ."""
        if self._one_pass:
            meta = source.pop(META_KEY, None)
            if meta is not None:
                return _from_meta(source, meta, body), None
        if self._asgi:
            return self._handler.create_request(source, body)
        return self._handler.request_class(source), None


def one_pass_allowed(handler_class: type, request_class: type) -> bool:
    """Whether a request may be built from a ready META: nothing of the project's or an APM's would be left out."""
    return (
        request_class is ASGIRequest
        and handler_class.create_request is ASGIHandler.create_request  # type: ignore[attr-defined]
        and shipped.is_shipped(ASGIHandler.create_request, "django.core.handlers.asgi", "ASGIHandler.create_request")
        and not vetting.verdict(["django.core.handlers.asgi.ASGIRequest.__init__"])
    )


def meta_cookies(handler_class: type) -> str | None:
    """How Rust joins Cookie fields in the META it builds (Django changed its way in 6.0); None: it must build none."""
    if not issubclass(handler_class, ASGIHandler) or settings.FORCE_SCRIPT_NAME:
        return None
    if not one_pass_allowed(handler_class, handler_class.request_class):
        return None
    return "; " if django.VERSION >= (6, 0) else ","


def _from_meta(scope: dict[str, Any], meta: dict[str, Any], body: Any) -> ASGIRequest:
    request = ASGIRequest.__new__(ASGIRequest)
    request.scope = scope
    request._post_parse_error = False
    request._read_started = False
    request.resolver_match = None
    request.path = scope["path"]
    request.script_name = meta["SCRIPT_NAME"]
    request.path_info = meta["PATH_INFO"]
    request.method = meta["REQUEST_METHOD"]
    request.META = meta
    if "CONTENT_TYPE" in meta:
        request._set_content_type_params(meta)
    else:
        request.content_type, request.content_params = "", {}
    request._stream = body
    return request
