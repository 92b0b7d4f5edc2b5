"""The file of a cassette: calls with how long they took, and what is answered from it afterwards.

What is written has lost its credentials: headers, parameters and fields that are named like one. Requests are compared
in that form too, so a cassette does not care whose key is used.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from turnout.http import checks, errors
from turnout.http.errors import HTTPError
from turnout.http.rules import Failure, Reply

#: What stands where a secret was.
REDACTED = "REDACTED"
_SECRET = re.compile(
    r"(?:^|[_.-])(?:auth|authorization|cookie|credentials?|key|pass|passwd|password|secret|sig|signature|token|apikey)s?(?:$|[_.-])",
    re.IGNORECASE,
)
# Words written together: accessToken, apiKey, x-csrftoken.
_SECRET_ENDS = ("token", "secret", "password", "apikey", "accesskey", "privatekey", "set-cookie")
# About this one transfer; the body is kept decoded, and framed anew.
_OF_THE_TRANSFER = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
_FORM = "application/x-www-form-urlencoded"
_VERSION = 1

Scrub = Callable[[dict[str, Any]], dict[str, Any]]


class Tape:
    """The file. `mode="auto"` replays if it is there, else records; `speed=0` answers at once, 1 as slowly as it was.

    `scrub` takes each interaction as it would be written, and returns what may be written of it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["auto", "record", "replay"] = "auto",
        speed: float = 0.0,
        scrub: Scrub | None = None,
    ) -> None:
        self.path = Path(path)
        if mode not in ("auto", "record", "replay"):
            raise ValueError(
                f"mode= is 'auto', 'record' or 'replay', and not {mode!r}{checks.did_you_mean(mode, ['auto'])}"
            )
        if mode == "replay" and not self.path.exists():
            raise FileNotFoundError(f"{self.path}: there is no such cassette; mode='record' makes it")
        if speed < 0:
            raise ValueError(f"speed= is 0 for at once, 1 as it was, 2 for twice as slow, and not {speed!r}")
        self.replays = mode == "replay" or (mode == "auto" and self.path.exists())
        self._speed = speed
        self._scrub = scrub
        self._lock = threading.Lock()
        self._played: dict[str, int] = {}
        self._interactions: list[dict[str, Any]] = self._load() if self.replays else []

    def __len__(self) -> int:
        return len(self._interactions)

    def step_for(self, request: Any) -> Reply | Failure | None:
        """What was answered to such a request; each in its turn, the last one from then on. None: nothing was."""
        wanted = _key(self._cleaned({"request": _request(request)})["request"])
        with self._lock:
            recorded = [one for one in self._interactions if _key(one["request"]) == wanted]
            if not recorded:
                return None
            number = self._played.get(wanted, 0)
            self._played[wanted] = number + 1
        return _step(recorded[min(number, len(recorded) - 1)], self._speed)

    def record(self, request: Any, seconds: float, response: Any = None, error: HTTPError | None = None) -> None:
        """One more, to be written by `save()`."""
        interaction: dict[str, Any] = {"request": _request(request), "seconds": round(seconds, 4)}
        if response is not None:
            interaction["response"] = _response(response)
        else:
            interaction["error"] = {"kind": type(error).__name__, "message": str(error)}
        cleaned = self._cleaned(interaction)
        with self._lock:
            self._interactions.append(cleaned)

    def save(self) -> None:
        """Whole or not at all: a run that is killed meanwhile leaves the old file."""
        text = json.dumps({"version": _VERSION, "interactions": self._interactions}, indent=1, ensure_ascii=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(self.path)

    def _load(self) -> list[dict[str, Any]]:
        try:
            read = json.loads(self.path.read_text(encoding="utf-8"))
            if read["version"] != _VERSION:
                raise ValueError(f"version {read['version']!r}")
            interactions: list[dict[str, Any]] = read["interactions"]
            for one in interactions:
                _step(one, 0.0)
                _key(one["request"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path} is no cassette that can be replayed ({error}); record it anew") from error
        return interactions

    def _cleaned(self, interaction: dict[str, Any]) -> dict[str, Any]:
        cleaned = dict(interaction)
        for side in ("request", "response"):
            if side in cleaned:
                cleaned[side] = _cleaned_side(cleaned[side])
        return self._scrub(cleaned) if self._scrub is not None else cleaned


def is_secret(name: str) -> bool:
    """Whether a header, a parameter or a field of that name is not to be written down."""
    return _SECRET.search(name) is not None or name.lower().endswith(_SECRET_ENDS)


def _request(request: Any) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": [list(pair) for pair in request.headers.multi_items()],
        "body": _written(bytes(request.content or b"")),
    }


def _response(response: Any) -> dict[str, Any]:
    headers = [list(pair) for pair in response.headers.multi_items() if pair[0].lower() not in _OF_THE_TRANSFER]
    return {"status": response.status_code, "headers": headers, "body": _written(response.content)}


def _step(interaction: Mapping[str, Any], speed: float) -> Reply | Failure:
    delay = float(interaction["seconds"]) * speed
    failed = interaction.get("error")
    if failed is not None:
        return Failure(getattr(errors, failed["kind"]), failed["message"], delay)
    answered = interaction["response"]
    headers = [(str(name), str(value)) for name, value in answered["headers"]]
    return Reply.of(answered["status"], content=_read(answered["body"]), headers=headers, delay=delay)


def _key(request: Mapping[str, Any]) -> str:
    """What makes two requests the same one."""
    return json.dumps([request["method"], request["url"], request["body"]], sort_keys=True)


def _cleaned_side(side: Mapping[str, Any]) -> dict[str, Any]:
    kind = next((value for name, value in side["headers"] if name.lower() == "content-type"), "")
    cleaned = dict(side)
    cleaned["headers"] = [[name, REDACTED if is_secret(name) else value] for name, value in side["headers"]]
    cleaned["body"] = _cleaned_body(side["body"], kind.partition(";")[0].strip().lower())
    if "url" in side:
        cleaned["url"] = _cleaned_url(side["url"])
    return cleaned


def _cleaned_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=_cleaned_form(parts.query)))


def _cleaned_form(text: str) -> str:
    pairs = parse_qsl(text, keep_blank_values=True)
    if not any(is_secret(name) for name, _ in pairs):
        return text
    return urlencode([(name, REDACTED if is_secret(name) else value) for name, value in pairs])


def _cleaned_body(body: Any, kind: str) -> Any:
    if not isinstance(body, str):
        return body
    if kind == _FORM:
        return _cleaned_form(body)
    if kind == "application/json" or kind.endswith("+json"):
        try:
            before = json.loads(body)
        except ValueError:
            return body
        after = _cleaned_json(before)
        # As it was sent, where nothing was taken out: numbers keep their digits.
        return body if after == before else json.dumps(after, ensure_ascii=False)
    return body


def _cleaned_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: REDACTED if is_secret(name) and isinstance(inner, (str, int)) else _cleaned_json(inner)
            for name, inner in value.items()
        }
    return [_cleaned_json(inner) for inner in value] if isinstance(value, list) else value


def _written(body: bytes) -> Any:
    """Text as text, so that a person can read the file; anything else in base64."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _read(body: Any) -> bytes:
    return base64.b64decode(body["base64"]) if isinstance(body, dict) else str(body).encode()
