"""How requests, responses and outcomes come out of a pickle: through their constructors, and what else was known."""

from __future__ import annotations

from typing import Any

from turnout._turnout import HttpOutcome, HttpRequest, HttpResponse


def request(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    content: bytes,
    idempotent: bool,
    upstream: str | None,
    options: dict[str, Any],
) -> HttpRequest:
    """A request as it was."""
    return HttpRequest(
        method,
        url,
        headers=headers,
        content=content or None,
        idempotent=idempotent,
        upstream=upstream,
        options=options or None,
    )


def response(status_code: int, fields: dict[str, Any], about: tuple[Any, ...]) -> HttpResponse:
    """A response as it was; without the redirects before it."""
    return HttpResponse._again(HttpResponse(status_code, **fields), *about)


def outcome(key: Any, status: Any, fields: dict[str, Any]) -> HttpOutcome:
    """An outcome as it was."""
    return HttpOutcome(key, status, **fields)
