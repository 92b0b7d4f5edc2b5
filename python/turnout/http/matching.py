"""Whether a request is the one that a rule means, and if not, what differs first. Knows nothing of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import EllipsisType
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlsplit

#: What a parameter or a header may be compared with: text, a pattern, or `...` for "there, whatever it says".
Wanted: TypeAlias = "str | int | float | re.Pattern[str] | EllipsisType | list[Any] | tuple[Any, ...]"

_PORTS = {"http": 80, "https": 443}


class Asked(Protocol):
    """A request, as far as it is looked at here."""

    @property
    def method(self) -> str:
        """In capitals."""
        ...

    @property
    def url(self) -> str:
        """Whole, with its query."""
        ...

    @property
    def headers(self) -> Any:
        """A mapping whose names are in lower case, or do not care."""
        ...

    @property
    def content(self) -> Any:
        """The bytes of the body."""
        ...


class Pattern:
    """What a rule wants of a request. What it does not mention may be anything.

    `url` is text or a compiled pattern. In text `*` stands for whatever is there; without a host it is met on any; its
    query counts as `params`.
    """

    def __init__(
        self,
        method: str | None,
        url: str | re.Pattern[str] | None,
        *,
        params: Mapping[str, Wanted] | None = None,
        headers: Mapping[str, Wanted] | None = None,
        json: Any = ...,
        content: bytes | str | re.Pattern[str] | None = None,
    ) -> None:
        self.method = None if method is None else method.upper()
        self.url = url
        self.headers = dict(headers or {})
        self.json = json
        self.content = content
        self.params: dict[str, Any] = {}
        if isinstance(url, str):
            self.place, query = _place(url), urlsplit(url).query
            for name, value in parse_qsl(query, keep_blank_values=True):
                self.params.setdefault(name, []).append(value)
        self.params.update(params or {})

    def __str__(self) -> str:
        url = self.url.pattern if isinstance(self.url, re.Pattern) else self.url
        more = [
            f"{name}={value!r}"
            for name, value in (("params", self.params), ("headers", self.headers), ("content", self.content))
            if value
        ]
        if self.json is not ...:
            more.append(f"json={self.json!r}")
        return " ".join([self.method or "*", str(url or "*"), *more])

    def difference(self, request: Asked) -> str | None:
        """What about the request is not as wanted, in a few words; None if it is met."""
        if self.method is not None and request.method != self.method:
            return f"the method is {request.method}"
        return (
            self._other_url(request.url)
            or self._other_params(request.url)
            or self._other_headers(request.headers)
            or self._other_body(request.content)
        )

    def _other_url(self, url: str) -> str | None:
        if self.url is None:
            return None
        if isinstance(self.url, re.Pattern):
            return None if self.url.search(url) else "the URL does not match"
        host, path = _place(url)
        wanted_host, wanted_path = self.place
        if wanted_host and not _like(host, wanted_host):
            return f"the host is {host}"
        return None if _like(path, wanted_path) else f"the path is {path}"

    def _other_params(self, url: str) -> str | None:
        if not self.params:
            return None
        given: dict[str, list[str]] = {}
        for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
            given.setdefault(name, []).append(value)
        for name, wanted in self.params.items():
            if name not in given:
                return f"there is no parameter {name!r}"
            several = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
            values = given[name]
            if len(values) != len(several) or not all(map(_is, values, several)):
                return f"the parameter {name!r} is {values[0]!r}" if len(values) == 1 else f"{name!r} is {values!r}"
        return None

    def _other_headers(self, headers: Any) -> str | None:
        for name, wanted in self.headers.items():
            value = headers.get(name.lower())
            if value is None:
                return f"there is no header {name!r}"
            if not _is(value, wanted):
                return f"the header {name!r} is another"
        return None

    def _other_body(self, content: Any) -> str | None:
        if self.json is ... and self.content is None:
            return None
        body = bytes(content) if content else b""
        if self.json is not ...:
            try:
                found = json.loads(body)
            except ValueError:
                return "the body is not JSON"
            if found != self.json:
                return f"the JSON is {_short(found)}"
        if isinstance(self.content, re.Pattern):
            return None if self.content.search(body.decode("utf-8", "replace")) else "the body does not match"
        if self.content is not None:
            wanted = self.content.encode() if isinstance(self.content, str) else self.content
            if body != wanted:
                return f"the body is {_short(body)}"
        return None


def _place(url: str) -> tuple[str, str]:
    """Where a URL leads, in one spelling: scheme, host and port (empty without), and the path."""
    parts = urlsplit(url)
    scheme, path = parts.scheme.lower(), parts.path or "/"
    if not parts.netloc:
        return "", path if path.startswith(("/", "*")) else f"/{path}"
    host = parts.netloc.rpartition("@")[2].lower()
    default = f":{_PORTS.get(scheme)}"
    return f"{scheme}://{host.removesuffix(default)}", path


def _like(given: str, wanted: str) -> bool:
    # Only `*` is special: a `[` or `?` in a URL is itself.
    return given == wanted or ("*" in wanted and fnmatchcase(given, re.sub(r"([\[?])", r"[\1]", wanted)))


def _is(value: str, wanted: Wanted) -> bool:
    if wanted is ...:
        return True
    if isinstance(wanted, re.Pattern):
        return wanted.search(value) is not None
    if isinstance(wanted, bool):
        return value == str(wanted).lower()
    return value == str(wanted)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
