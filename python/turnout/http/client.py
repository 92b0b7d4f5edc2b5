"""The client: a thin face of the native core, which all clients with the same limits share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from turnout._turnout import HttpClient, HttpRequest, HttpResponse

__all__ = ["Client"]


class Client:
    """Calls upstreams, blocking or awaited: `get` and `aget`, `gather` and `agather`.

    Costs nothing to make: connections belong to the process. Usable from every thread and loop; needs no closing.
    """

    def __init__(self, base_url: str = "", **options: Any) -> None:
        self.native = HttpClient({"base_url": base_url, **options})

    def request(
        self, method: str, url: str, *, stream: bool = False, options: dict[str, Any] | None = None, **parts: Any
    ) -> HttpResponse:
        """One call; blocks, without the GIL. `parts`: what `Request` takes."""
        return self.native.send(HttpRequest(method, url, **parts), stream, options)

    def arequest(
        self, method: str, url: str, *, stream: bool = False, options: dict[str, Any] | None = None, **parts: Any
    ) -> Awaitable[HttpResponse]:
        """One call, to be awaited."""
        return self.native.asend(HttpRequest(method, url, **parts), stream, options)

    def send(self, request: HttpRequest, *, stream: bool = False) -> HttpResponse:
        """A request made before; blocks."""
        return self.native.send(request, stream)

    def asend(self, request: HttpRequest, *, stream: bool = False) -> Awaitable[HttpResponse]:
        """A request made before, to be awaited."""
        return self.native.asend(request, stream)

    def get(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("GET", url, **parts))

    def head(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("HEAD", url, **parts))

    def options(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("OPTIONS", url, **parts))

    def post(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("POST", url, **parts))

    def put(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("PUT", url, **parts))

    def patch(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("PATCH", url, **parts))

    def delete(self, url: str, **parts: Any) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("DELETE", url, **parts))

    def aget(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("GET", url, **parts))

    def ahead(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("HEAD", url, **parts))

    def aoptions(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("OPTIONS", url, **parts))

    def apost(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("POST", url, **parts))

    def aput(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("PUT", url, **parts))

    def apatch(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("PATCH", url, **parts))

    def adelete(self, url: str, **parts: Any) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("DELETE", url, **parts))
