"""The native classes of `turnout.http`, for type checkers: at run time they are in `turnout._turnout`. Private."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, TypeVar, final

from typing_extensions import Unpack

from turnout._states import Accounted
from turnout._turnout import HttpJson, HttpJsonSteps
from turnout.http.errors import HTTPError
from turnout.http.status import Status
from turnout.http.timings import Timings
from turnout.http.typed import Content, Fields, Options, Params

_T = TypeVar("_T")

@final
class HttpAuth:
    """Who calls are from: as `auth=` of a client, an upstream or a request."""

    @staticmethod
    def basic(user: str, password: str) -> HttpAuth:
        """User and password with each request (RFC 7617)."""

    @staticmethod
    def bearer(token: str) -> HttpAuth:
        """A token with each request (RFC 6750)."""

    @staticmethod
    def digest(user: str, password: str) -> HttpAuth:
        """An answer to the upstream's challenge (RFC 7616)."""

    @staticmethod
    def client_credentials(
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str = "",
        parameters: list[tuple[str, str]] = ...,
    ) -> HttpAuth:
        """Tokens of an authorization server, fetched when they are needed (RFC 6749, 4.4)."""

@final
class HttpCall(Coroutine[Any, Any, _T]):
    """A call to be awaited, once; passes for a coroutine, and like one it begins when it is awaited.

    Cancelled, closed or dropped before its end it gives the call up. On any event loop.
    """

    def __await__(self) -> Generator[Any, None, _T]: ...
    def send(self, value: Any, /) -> Any: ...
    def throw(self, *args: Any) -> Any: ...
    def close(self) -> None: ...

@final
class HttpClient:
    """The native core of `turnout.http.Client`. `options`: what a client takes, by name.

    Belongs to no thread, no loop and no process: after a fork it has connections of its own.
    """

    def __new__(cls, options: dict[str, Any] | None = None) -> HttpClient: ...
    def send(self, request: HttpRequest, stream: bool = False, options: dict[str, Any] | None = None) -> HttpResponse:
        """One call: blocks, without the GIL. SynchronousOnlyOperation on a thread whose event loop runs."""

    def asend(
        self, request: HttpRequest, stream: bool = False, options: dict[str, Any] | None = None
    ) -> HttpCall[HttpResponse]:
        """One call, to be awaited."""

    def gather(
        self, keys: Iterable[Any], requests: Iterable[HttpRequest], plan: dict[str, Any] | None = None
    ) -> tuple[list[HttpOutcome], list[int]]:
        """Many at once: their outcomes, and the places of those that ended of themselves, first to last."""

    def agather(
        self, keys: Iterable[Any], requests: Iterable[HttpRequest], plan: dict[str, Any] | None = None
    ) -> HttpCall[tuple[list[HttpOutcome], list[int]]]:
        """The same, to be awaited. Large values are not made yet: see `HttpOutcome._steps`."""

    def as_completed(
        self, keys: Iterable[Any], requests: Iterable[HttpRequest], plan: dict[str, Any] | None = None
    ) -> HttpCompleted:
        """The same, outcome by outcome."""

    def stats(self) -> dict[str, Any]:
        """What happened so far to the calls of all clients with the same limits."""

@final
class HttpCompleted:
    """Outcomes as they come. Begins with the first that is asked for; dropped or closed, it gives up the rest."""

    def __iter__(self) -> HttpCompleted: ...
    def __next__(self) -> HttpOutcome: ...
    def __aiter__(self) -> HttpCompleted: ...
    def __anext__(self) -> HttpCall[HttpOutcome]: ...
    def close(self) -> None: ...
    def aclose(self) -> Awaitable[None]: ...

@final
class HttpCookieJar:
    """Cookies of upstreams (RFC 6265): kept and sent back by the calls whose `cookies=` it is, and by no others."""

    def __init__(self) -> None: ...
    def set(self, url: str, cookie: str) -> bool:
        """As if an answer from `url` had this ``Set-Cookie``. False: it may not."""

    def header(self, url: str) -> str | None:
        """What would be sent to `url`."""

    def cookies(self) -> list[dict[str, Any]]:
        """Those that are kept, in no order."""

    def clear(self) -> None:
        """Forgets all."""

    def __len__(self) -> int: ...

@final
class HttpHeaders(Mapping[str, str]):
    """Header fields: a mapping that does not care for case, and joins what was sent more than once."""

    def __init__(
        self, fields: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]] | None = None, /
    ) -> None: ...
    def __getitem__(self, name: str, /) -> str: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def get_list(self, name: str) -> list[str]:
        """The values of a field, each as it came."""

    def multi_items(self) -> list[tuple[str, str]]:
        """Every field, as it came."""

@final
class HttpIncoming(Accounted):
    """The request that is being answered, for the calls that are made for it."""

    def remaining(self) -> float | None:
        """Seconds until its deadline, which may be over; None: it has none."""

    @property
    def cancelled(self) -> bool:
        """Its client left."""

@final
class HttpOutcome:
    """What became of one call of a gather: see `turnout.http.Outcome`."""

    def __init__(
        self,
        key: Any,
        status: Any,
        *,
        value: Any = None,
        response: HttpResponse | None = None,
        error: Exception | None = None,
        elapsed: float = 0.0,
        timings: Any = None,
        attempts: int = 0,
        from_cache: bool = False,
        stale: bool = False,
        coalesced: bool = False,
        hedged: bool = False,
    ) -> None: ...
    @property
    def key(self) -> Any: ...
    @property
    def ok(self) -> bool: ...
    @property
    def status(self) -> Status: ...
    @property
    def value(self) -> Any: ...
    @property
    def response(self) -> HttpResponse | None: ...
    @property
    def error(self) -> HTTPError | None: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def timings(self) -> Timings | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def from_cache(self) -> bool: ...
    @property
    def stale(self) -> bool: ...
    @property
    def coalesced(self) -> bool: ...
    @property
    def hedged(self) -> bool: ...
    def _steps(self) -> HttpJsonSteps | None:
        """What makes a large value while the loop turns: its result and itself are for `_made`. None: it is there."""

    def _made(self, value: Any, steps: HttpJsonSteps) -> None: ...
    def _settle(self) -> None:
        """Some time after its value was handed over: the garbage collector is shown what is still used of it."""

@final
class HttpRequest:
    """A request, checked when it is made; immutable, to be sent by any client, any number of times.

    Without scheme and host the URL is put behind its client's or its upstream's `base_url`. A body is given once: as
    `json`, as `data` (a form) with `files`, or as `content`, which is bytes, text, a file, or an iterable of bytes.
    Further options replace those of its client: `timeout`, `policy`, `follow_redirects` and so on.
    """

    def __init__(
        self,
        method: str,
        url: str,
        *,
        params: Params = None,
        headers: Fields = None,
        json: Any = None,
        data: Any = None,
        files: Any = None,
        content: Content = None,
        idempotent: bool | None = None,
        upstream: str | None = None,
        options: Mapping[str, Any] | None = None,
        **others: Unpack[Options],
    ) -> None: ...
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str:
        """With its parameters."""

    @property
    def headers(self) -> HttpHeaders: ...
    @property
    def content(self) -> Any:
        """The body, if it is in memory; else what it is pulled from."""

    @property
    def idempotent(self) -> bool:
        """It may be sent twice without harm."""

    @property
    def upstream(self) -> str | None: ...
    @property
    def options(self) -> dict[str, Any]:
        """What it replaces of its client's options."""

@final
class HttpResponse:
    """An answer, immutable. The body of one in pieces (`stream=True`) is still coming: read, iterate, or close it."""

    def __init__(
        self,
        status_code: int,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]] | None = None,
        content: bytes | str | None = None,
        text: str | None = None,
        json: Any = None,
        url: str = "",
        request: HttpRequest | None = None,
        http_version: str = "HTTP/1.1",
        reason_phrase: str | None = None,
    ) -> None:
        """One that nobody sent, for tests and transports."""

    @property
    def status_code(self) -> int: ...
    @property
    def reason_phrase(self) -> str: ...
    @property
    def url(self) -> str:
        """Where it is from, after redirects."""

    @property
    def http_version(self) -> str: ...
    @property
    def headers(self) -> HttpHeaders: ...
    @property
    def request(self) -> HttpRequest | None: ...
    @property
    def content(self) -> bytes: ...
    @property
    def text(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    def json(self, *, parse_float: Callable[[str], Any] | None = None) -> Any:
        """The body's objects. `parse_float`: what is made of numbers with a fraction, `decimal.Decimal` for money."""

    def lazy(self) -> HttpJson:
        """The body as JSON that stays bytes until it is looked into."""

    def raise_for_status(self) -> HttpResponse:
        """Itself, or HTTPStatusError for a 4xx or 5xx."""

    @property
    def is_success(self) -> bool: ...
    @property
    def is_redirect(self) -> bool: ...
    @property
    def is_client_error(self) -> bool: ...
    @property
    def is_server_error(self) -> bool: ...
    @property
    def is_error(self) -> bool: ...
    @property
    def elapsed(self) -> float:
        """All of the call's time, in seconds."""

    @property
    def timings(self) -> Timings:
        """Where it went."""

    @property
    def attempts(self) -> int: ...
    @property
    def from_cache(self) -> bool: ...
    @property
    def stale(self) -> bool: ...
    @property
    def coalesced(self) -> bool: ...
    @property
    def hedged(self) -> bool: ...
    @property
    def remote_addr(self) -> tuple[str, int] | None: ...
    @property
    def history(self) -> list[HttpResponse]:
        """The answers that redirected here, first to last, without their bodies."""

    def read(self) -> bytes:
        """All that is left of the body, which is the content from then on; blocks."""

    def aread(self) -> HttpCall[bytes]: ...
    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body as it comes; blocks."""

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]: ...
    def iter_text(self) -> Iterator[str]: ...
    def aiter_text(self) -> AsyncIterator[str]: ...
    def iter_lines(self) -> Iterator[str]:
        """The lines of the text without their ends, as they come."""

    def aiter_lines(self) -> AsyncIterator[str]: ...
    def close(self) -> None:
        """Gives up what is still coming."""

    def aclose(self) -> Awaitable[None]: ...
    def __enter__(self) -> HttpResponse: ...
    def __exit__(self, *why: object) -> None: ...
    def __aenter__(self) -> HttpCall[HttpResponse]: ...
    def __aexit__(self, *why: object) -> Awaitable[None]: ...
    @staticmethod
    def _again(
        base: HttpResponse,
        attempts: int,
        flags: tuple[bool, bool, bool, bool],
        timings: list[float | None],
        remote: str | None,
    ) -> HttpResponse: ...

@final
class HttpScope(Accounted):
    """What calls belong to: a part of `outer` that ends `limit` seconds from now, if `outer` does not end before."""

    def __init__(self, limit: float | None = None, outer: HttpScope | HttpIncoming | None = None) -> None: ...
    @staticmethod
    def detached(outer: HttpScope | HttpIncoming) -> HttpScope:
        """Of the trace that `outer` has, and of nothing else."""

    def remaining(self) -> float | None:
        """Seconds until its deadline, which may be over; None: it has none."""

    def cancel(self) -> None:
        """What is called for it is given up."""

    @property
    def cancelled(self) -> bool: ...

@final
class HttpTransport:
    """Answers calls in place of the network: they queue for threads of Python's, which answer in any order.

    Given to a client as `transport=`, or installed in place of the network of all.
    """

    def __init__(self) -> None: ...
    def answering(self) -> HttpTransport:
        """For the threads that answer: it is closed once no client and nobody else has the original."""

    def receive(self) -> tuple[int, Any] | None:
        """A ticket and its request; or the response or exception of one that was let through with `tell`.

        Waits. None once it is closed.
        """

    def reply(
        self,
        ticket: int,
        status: int,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content: bytes | list[bytes] | None = None,
        delay: float = 0.0,
        pause: float = 0.0,
    ) -> None:
        """Answers a call, `delay` seconds from now; content may come in pieces, `pause` seconds apart."""

    def begin(
        self,
        ticket: int,
        status: int,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        delay: float = 0.0,
    ) -> bool:
        """The head of an answer whose body follows by `write`. False: the call was given up."""

    def write(self, ticket: int, piece: bytes, block: bool = True) -> bool | None:
        """A piece of the body. False: nobody reads any more. None: there is no room, and it may not `block`."""

    def end(self, ticket: int, block: bool = True) -> bool | None:
        """The body is whole."""

    def fail(self, ticket: int, kind: str, message: str, delay: float = 0.0, *, sent: bool = False) -> None:
        """Fails a call with an error of this kind (the key in `turnout.http.errors.BY_KIND`)."""

    def forward(self, ticket: int, tell: bool = False) -> None:
        """Lets a call go to the network, or to what was installed before. `tell`: `receive` gives what comes of it."""

    def is_given_up(self, ticket: int) -> bool:
        """Nobody waits for this call any more."""

    def install(self) -> None:
        """Stands in for the network of every client that has no transport of its own."""

    def uninstall(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None:
        """Calls that wait, and all that come, fail."""
