"""A Django response whose body is JSON that was never made into Python objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from turnout._turnout import HttpJson


class LazyJsonResponse(HttpResponse):  # type: ignore[misc]  # Django has no types
    """Sends what `Gathered.merge()`, `Response.lazy()` or a gather with `decode="lazy"` gave, under any server.

    Its content is one string of bytes, put together in Rust from the bytes of the answers; middleware may do with it
    what it does with any other (compress it, put an ETag on it). `data` is what it was made from.
    """

    def __init__(
        self,
        data: HttpJson,
        status: int | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        **more: Any,
    ) -> None:
        if not isinstance(data, HttpJson):
            raise TypeError(
                f'LazyJsonResponse takes JSON that is not Python yet (decode="lazy"), and not a {type(data).__name__}: '
                "for that there is django.http.JsonResponse"
            )
        self.data = data
        super().__init__(bytes(data), content_type=content_type, status=status, headers=headers, **more)
