"""What scopes and messages of ASGI are made of; see `turnout.testing.asgi` for what may follow what."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable, Iterator, MutableMapping
from inspect import isawaitable
from typing import Any, Literal, NoReturn
from urllib.parse import unquote_to_bytes

Message = MutableMapping[str, Any]
Side = Literal["server", "application"]

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_HTTP_VERSIONS = ("1.0", "1.1", "2", "3")


class ASGIViolation(AssertionError):
    """One side did what the specification does not let it do; `side` says which: "server" or "application"."""

    def __init__(self, side: Side, what: str) -> None:
        super().__init__(f"{side}: {what}")
        self.side = side


def no(side: Side, what: str) -> NoReturn:
    """It was `side` that did `what`."""
    raise ASGIViolation(side, what)


def judge_scope(scope: Any) -> str:
    """Its type, once everything in it is as it must be."""
    if type(scope) is not dict:
        no("server", f"the scope is a {type(scope).__name__}, not a dict")
    kind = required("server", scope, "type", str)
    asgi = required("server", scope, "asgi", dict)
    if required("server", asgi, "version", str) != "3.0":
        no("server", f"an application of one callable has ASGI 3.0, not {asgi['version']!r}")
    optional("server", asgi, "spec_version", str)
    optional("server", scope, "state", dict)
    extensions = scope.get("extensions") or {}
    if not isinstance(extensions, dict) or not all(isinstance(one, dict) for one in extensions.values()):
        no("server", f"scope['extensions'] is not a dict of dicts: {extensions!r}")
    if kind == "http":
        _judge_http(scope)
    elif kind not in ("lifespan", "websocket"):
        no("server", f"there is no scope of type {kind!r}")
    return kind


def _judge_http(scope: dict[str, Any]) -> None:
    if required("server", scope, "http_version", str) not in _HTTP_VERSIONS:
        no("server", f"HTTP has no version {scope['http_version']!r}")
    method = required("server", scope, "method", str)
    if method != method.upper():
        no("server", f"the method is not in upper case: {method!r}")
    optional("server", scope, "scheme", str)
    if scope.get("scheme") == "":
        no("server", "the scheme is empty")
    path = required("server", scope, "path", str)
    optional("server", scope, "root_path", str)
    raw_path = scope.get("raw_path")
    if raw_path is not None:
        optional("server", scope, "raw_path", bytes)
        if b"?" in raw_path:
            no("server", f"the query stands in raw_path: {raw_path!r}")
        if unquote_to_bytes(raw_path).decode("utf-8", "replace") != path:
            no("server", f"path is not raw_path decoded: {path!r}, {raw_path!r}")
    required("server", scope, "query_string", bytes)
    for name, _ in pairs("server", scope, "headers"):
        if name.startswith(b":"):
            no("server", f"a pseudo header is left: {name!r}")
    _judge_address(scope, "client", int)
    _judge_address(scope, "server", (int, type(None)))


def _judge_address(scope: dict[str, Any], key: str, port: type | tuple[type, ...]) -> None:
    address = scope.get(key)
    if address is None:
        return
    address = list(address)
    if len(address) != 2 or not isinstance(address[0], str) or not isinstance(address[1], port):
        no("server", f"scope[{key!r}] is not a host and a port: {address!r}")


def kind_of(side: Side, message: Any) -> str:
    """The type of a message that `side` made."""
    if not isinstance(message, dict):
        no(side, f"a message is a {type(message).__name__}, not a dict")
    if not all(isinstance(key, str) for key in message):
        no(side, f"a message has keys that are no str: {message!r}")
    return str(required(side, message, "type", str))


def unrolled(message: Message) -> Message:
    """The same with lists for what may be read only once, so that it can be judged and passed on."""
    message = {**message}
    for key in ("headers", "links"):
        if isinstance(message.get(key), Iterator):
            message[key] = list(message[key])
    if isinstance(message.get("headers"), list):
        message["headers"] = [tuple(one) if isinstance(one, Iterator) else one for one in message["headers"]]
    return message


def required(side: Side, fields: Message, key: str, kind: Any) -> Any:
    """A field that must be there, of its type."""
    if key not in fields:
        no(side, f"{key!r} is missing in {fields!r}")
    optional(side, fields, key, kind)
    return fields[key]


def optional(side: Side, fields: Message, key: str, kind: Any) -> None:
    """A field that is of its type if it is there."""
    if key in fields and not isinstance(fields[key], kind):
        what = f"{key!r} of {fields.get('type', 'asgi')!r} must be {kind.__name__}"
        no(side, f"{what}, not {type(fields[key]).__name__}: {fields[key]!r}")


def pairs(side: Side, fields: Message, key: str) -> list[tuple[bytes, bytes]]:
    """Header fields: pairs of bytes, names in lower case."""
    found = []
    if not isinstance(fields.get(key, ()), Iterable):
        no(side, f"{key!r} is not iterable: {fields[key]!r}")
    for pair in fields.get(key, ()):
        items = list(pair) if isinstance(pair, Iterable) else []
        if len(items) != 2 or not all(isinstance(item, bytes) for item in items):
            no(side, f"{key!r} must hold pairs of bytes, not {pair!r}")
        name, value = items
        if not _TOKEN.fullmatch(name) and not name.startswith(b":"):
            no(side, f"not the name of a header, or not in lower case: {name!r}")
        if any(character in value for character in (b"\r", b"\n", b"\0")):
            no(side, f"the value of the header {name!r} breaks its line: {value!r}")
        found.append((name, value))
    return found


async def awaitable(side: Side, what: str, given: Awaitable[Any]) -> Any:
    """Await what must be awaitable."""
    if not isawaitable(given):
        no(side, f"{what} returned {given!r}, which cannot be awaited")
    return await given
