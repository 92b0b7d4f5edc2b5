"""RemoteUserMiddleware means the same on both tracks.

Up to Django 6.0 its sync half reads META["REMOTE_USER"] and its async half META["HTTP_REMOTE_USER"], because each knew
its kind of server. Here both chains see the one request class of the deployment, and half of the requests would log the
user out. So each chain uses the half that the deployment's own entry point would have used. Django 6.1 looks at the
request instead and needs nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import django
from asgiref.sync import async_to_sync

from turnout.django.layers import Layer, single_layer

_HALVES_DIFFER = django.VERSION < (6, 1)


def in_async_chain(middleware: Any, kind: str) -> None:
    """A WSGI deployment's async requests: the sync half, on the request's thread."""
    if kind == "wsgi" and _base_of(middleware) is not None:
        middleware.__acall__ = single_layer(  # type: ignore[method-assign]
            Layer(lambda request: middleware.process_request(request), None, False, False), middleware
        )


def in_sync_chain(middleware: Any, kind: str) -> None:
    """An ASGI deployment's sync requests: the async half, which the thread waits for."""
    base = _base_of(middleware)
    if kind != "asgi" or base is None:
        return
    cls: Any = type(middleware)
    own_sync_half_only = (
        cls.process_request is not base.process_request and cls.aprocess_request is base.aprocess_request
    )
    # Django calls a subclass's own sync half under ASGI too.
    if not own_sync_half_only:
        middleware.process_request = async_to_sync(middleware.aprocess_request)  # type: ignore[method-assign]


def _base_of(middleware: Any) -> Any:
    """RemoteUserMiddleware, if this is one whose halves differ. Its module needs installed models."""
    module = sys.modules.get("django.contrib.auth.middleware")
    base = getattr(module, "RemoteUserMiddleware", None)
    return base if _HALVES_DIFFER and base is not None and isinstance(middleware, base) else None
