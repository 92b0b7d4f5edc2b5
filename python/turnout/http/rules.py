"""What is answered to which request, and what was asked: the rules of a mock. Knows no transport."""

from __future__ import annotations

import json as json_module
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from turnout.http import errors
from turnout.http.errors import HTTPError
from turnout.http.matching import Asked, Pattern, Wanted
from turnout.http.summaries import without_secrets

#: Header fields as they may be given.
Fields: TypeAlias = "Mapping[str, str] | Iterable[tuple[str, str]]"

_KIND_OF = {kind: name for name, kind in errors.BY_KIND.items()}


@dataclass(frozen=True)
class Reply:
    """An answer. `delay`: seconds until it comes, counted by the clock that time-outs are counted by."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    #: Several pieces are sent one by one.
    content: bytes | tuple[bytes, ...] = field(default=b"", repr=False)
    delay: float = 0.0

    @classmethod
    def of(
        cls,
        status: int = 200,
        *,
        json: Any = ...,
        text: str | None = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Fields | None = None,
        delay: float = 0.0,
    ) -> Reply:
        """From what `reply()` takes."""
        given = [name for name, there in (("json", json is not ...), ("text", text is not None)) if there]
        if len(given) + (content is not None) > 1:
            raise TypeError("a reply has one body: json=, text= or content=")
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 999:
            raise ValueError(f"the status of a reply is a number from 200 to 999, and not {status!r}")
        if delay < 0:
            raise ValueError(f"delay= is in seconds, and not {delay!r}")
        pairs: Any = headers.items() if isinstance(headers, Mapping) else headers or ()
        fields: list[tuple[str, str]] = list(pairs)
        body: bytes | tuple[bytes, ...] = b""
        kind = None
        if json is not ...:
            body, kind = json_module.dumps(json).encode(), "application/json"
        elif text is not None:
            body, kind = text.encode(), "text/plain; charset=utf-8"
        elif isinstance(content, str):
            raise TypeError("content= is bytes; for a string there is text=")
        elif content is not None:
            body = bytes(content) if isinstance(content, (bytes, bytearray, memoryview)) else tuple(content)
        if kind is not None and not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("content-type", kind))
        return cls(status, tuple((str(name), str(value)) for name, value in fields), body, float(delay))


@dataclass(frozen=True)
class Failure:
    """No answer: what the call raises instead."""

    kind: type[HTTPError]
    message: str = ""
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _KIND_OF:
            raise ValueError(
                f"fail() takes an error of turnout.http that a call can raise itself, such as ConnectError,"
                f" and not {getattr(self.kind, '__name__', self.kind)!r}"
            )

    @property
    def name(self) -> str:
        """Of the native kind."""
        return _KIND_OF[self.kind]


@dataclass(frozen=True)
class PassThrough:
    """To be sent to the network after all."""


#: What can become of a request.
Step: TypeAlias = "Reply | Failure | PassThrough | Callable[[Any], Any]"


@dataclass(frozen=True)
class Call:
    """A request that met a rule."""

    request: Any
    rule: Rule


class Rule:
    """What is answered to requests of one kind. Each `reply()` and `fail()` adds a step; the last one is repeated."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.calls: list[Call] = []
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Rule {self.pattern}: {len(self.calls)} calls>"

    def reply(
        self,
        status: int = 200,
        *,
        json: Any = ...,
        text: str | None = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Fields | None = None,
        delay: float = 0.0,
    ) -> Rule:
        """Answer so. `content` in several pieces is sent piece by piece."""
        return self._then(Reply.of(status, json=json, text=text, content=content, headers=headers, delay=delay))

    def fail(self, kind: type[HTTPError], message: str = "", *, delay: float = 0.0) -> Rule:
        """Raise this instead of an answer: `fail(http.ConnectError)`."""
        return self._then(Failure(kind, message, float(delay)))

    def reply_with(self, function: Callable[[Any], Any]) -> Rule:
        """Ask `function(request)`: it returns a `Reply`, a dict or list for JSON, text, bytes or a status, or raises an
        error of turnout.http. Runs on a thread of its own.
        """
        return self._then(function)

    def pass_through(self) -> Rule:
        """Send it to the network."""
        return self._then(PassThrough())

    @property
    def called(self) -> bool:
        """At least once."""
        return bool(self.calls)

    def assert_called(self, times: int | None = None) -> None:
        """So many times; without a number, at least once."""
        count = len(self.calls)
        if count == 0 if times is None else count != times:
            wanted = "at least once" if times is None else f"{times} times"
            raise AssertionError(f"{self.pattern} was to be called {wanted}, and was called {count} times")

    def assert_not_called(self) -> None:
        """Not once."""
        self.assert_called(times=0)

    def assert_called_with(
        self,
        *,
        params: Mapping[str, Wanted] | None = None,
        headers: Mapping[str, Wanted] | None = None,
        json: Any = ...,
        content: bytes | str | re.Pattern[str] | None = None,
    ) -> None:
        """The last call had these."""
        self.assert_called()
        wanted = Pattern(None, None, params=params, headers=headers, json=json, content=content)
        difference = wanted.difference(self.calls[-1].request)
        if difference is not None:
            raise AssertionError(f"the last call of {self.pattern}: {difference}")

    def step_for(self, request: Any) -> Step:
        """Counts the call and says what becomes of it."""
        with self._lock:
            number = len(self.calls)
            self.calls.append(Call(request, self))
            return self._steps[min(number, len(self._steps) - 1)] if self._steps else Reply()

    def _then(self, step: Step) -> Rule:
        self._steps.append(step)
        return self


class UnexpectedRequest(AssertionError):
    """A request came that no rule of the mock expects."""


class Rules:
    """The rules of a mock, first to last: the first that a request meets answers it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.calls: list[Call] = []
        #: Sentences about requests that met no rule.
        self.unexpected: list[str] = []

    def route(
        self,
        method: str | None = None,
        url: str | re.Pattern[str] | None = None,
        *,
        params: Mapping[str, Wanted] | None = None,
        headers: Mapping[str, Wanted] | None = None,
        json: Any = ...,
        content: bytes | str | re.Pattern[str] | None = None,
    ) -> Rule:
        """A rule for requests that are like this; what is left out may be anything. Without a step it answers 200."""
        rule = Rule(Pattern(method, url, params=params, headers=headers, json=json, content=content))
        self.rules.append(rule)
        return rule

    def get(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("GET", ...)`."""
        return self.route("GET", url, **more)

    def head(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("HEAD", ...)`."""
        return self.route("HEAD", url, **more)

    def options(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("OPTIONS", ...)`."""
        return self.route("OPTIONS", url, **more)

    def post(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("POST", ...)`."""
        return self.route("POST", url, **more)

    def put(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("PUT", ...)`."""
        return self.route("PUT", url, **more)

    def patch(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("PATCH", ...)`."""
        return self.route("PATCH", url, **more)

    def delete(self, url: str | re.Pattern[str] | None = None, **more: Any) -> Rule:
        """As `route("DELETE", ...)`."""
        return self.route("DELETE", url, **more)

    def step_for(self, request: Asked) -> Step | None:
        """What becomes of a request; None if no rule expects it, which is remembered."""
        differences = []
        for rule in self.rules:
            difference = rule.pattern.difference(request)
            if difference is None:
                step = rule.step_for(request)
                self.calls.append(rule.calls[-1])
                return step
            differences.append(f"  {rule.pattern}: {difference}")
        known = "\n".join(differences) if differences else "  there are no rules"
        self.unexpected.append(
            f"{request.method} {without_secrets(request.url)} meets no rule of http.mock():\n{known}"
        )
        return None

    def assert_all_called(self) -> None:
        """Every rule was met at least once."""
        idle = [str(rule.pattern) for rule in self.rules if not rule.called]
        if idle:
            raise AssertionError("rules of http.mock() that no request met:\n  " + "\n  ".join(idle))


def answer_of(made: Any) -> Reply:
    """What a function given to `reply_with` may return."""
    if isinstance(made, Reply):
        return made
    if isinstance(made, bool) or made is None:
        raise TypeError(f"reply_with: the function returned {made!r}, and not a Reply, JSON, text, bytes or a status")
    if isinstance(made, int):
        return Reply.of(made)
    if isinstance(made, str):
        return Reply.of(text=made)
    if isinstance(made, (bytes, bytearray)):
        return Reply.of(content=bytes(made))
    if isinstance(made, (dict, list)):
        return Reply.of(json=made)
    if hasattr(made, "status_code"):
        # A response, made for tests or received from somewhere.
        return Reply.of(made.status_code, content=made.content, headers=made.headers.multi_items())
    raise TypeError(f"reply_with: the function returned a {type(made).__name__}, which is no answer")
