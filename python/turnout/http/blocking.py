"""What a blocking call says on a thread whose event loop runs."""

from __future__ import annotations

import os


def _blocking_error() -> type[Exception]:
    try:
        from django.core.exceptions import SynchronousOnlyOperation as Djangos
    except ImportError:
        # As Django's, where there is no Django.
        return type("SynchronousOnlyOperation", (RuntimeError,), {"__module__": __name__})
    refused: type[Exception] = Djangos
    return refused


SynchronousOnlyOperation = _blocking_error()


def refusal(method: str) -> Exception | None:
    """The exception for a call of `method`; None where Django's own switch says that it is wanted."""
    if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        return None
    return SynchronousOnlyOperation(
        f"turnout.http: {method}() would block the event loop of this thread. "
        f"Await a{method}() instead, or call it in a thread, or use sync_to_async."
    )
