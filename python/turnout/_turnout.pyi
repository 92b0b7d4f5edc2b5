"""The native half of turnout. Private: what is public is re-exported by the modules beside this file."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextvars import Context
from selectors import SelectorKey
from typing import Any, Literal, ParamSpec, TypeVar, final

from turnout._http import HttpAuth as HttpAuth
from turnout._http import HttpCall as HttpCall
from turnout._http import HttpClient as HttpClient
from turnout._http import HttpCompleted as HttpCompleted
from turnout._http import HttpCookieJar as HttpCookieJar
from turnout._http import HttpHeaders as HttpHeaders
from turnout._http import HttpIncoming as HttpIncoming
from turnout._http import HttpOutcome as HttpOutcome
from turnout._http import HttpRequest as HttpRequest
from turnout._http import HttpResponse as HttpResponse
from turnout._http import HttpScope as HttpScope
from turnout._http import HttpTransport as HttpTransport
from turnout._states import Accounted as Accounted
from turnout._states import AwaitedCall as AwaitedCall
from turnout._states import ThreadHop as ThreadHop
from turnout._states import Witness as Witness
from turnout._states import accounting as accounting
from turnout._states import address_figures as address_figures
from turnout._states import findings as findings
from turnout._states import recent_requests as recent_requests
from turnout._states import view_figures as view_figures

_P = ParamSpec("_P")
_T = TypeVar("_T")

@final
class Cycle:
    """One request of an ASGI app, on the loop thread only (ASGI specification 2.5, "HTTP")."""

    def receive(self) -> Awaitable[dict[str, Any]]:
        """The next event: ``http.request`` while there is body, ``http.disconnect`` once the client left or has all.

        Like a coroutine it does nothing before it is awaited; cancelled, it has taken nothing.
        """

    def send(self, message: dict[str, Any], /) -> Awaitable[None]:
        """Takes the messages of an answer and of its extensions.

        OSError once the client has left, RuntimeError out of order, TypeError and ValueError for a field. After the end
        messages are ignored.
        """

    def finish(self) -> str | None:
        """The app returned or raised: closes what it left open and says what was wrong with that, for the log."""

    @property
    def disconnected(self) -> bool:
        """True when the client left before the answer was whole."""

    @property
    def incoming(self) -> HttpIncoming:
        """What outbound calls belong to that are made for this request."""

class EventLoop:
    """The native half of `turnout.loop.TurnoutLoop`: ready queue, timers, and the turn that works them off.

    Comes before the stdlib's loop in the order of resolution. Methods without a text behave as the stdlib's do.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> EventLoop: ...
    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle: ...
    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle: ...
    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle: ...
    def time(self) -> float: ...
    def stop(self) -> None: ...
    def is_closed(self) -> bool: ...
    def get_debug(self) -> bool: ...
    def _bind(self, reactor: Reactor) -> None:
        """Its reactor, before anything else is asked of it; once."""

    def _run_once(self) -> None:
        """Inside `run_forever`: turns until `stop`. Else: one turn."""

    def _add_callback(self, handle: Any) -> None:
        """Makes a handle ready that exists already."""

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None: ...
    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> None: ...
    def remove_reader(self, fd: Any) -> bool: ...
    def remove_writer(self, fd: Any) -> bool: ...
    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> Handle: ...
    def _add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> Handle: ...
    def _remove_reader(self, fd: Any) -> bool: ...
    def _remove_writer(self, fd: Any) -> bool: ...
    def _forget_all(self) -> None:
        """Drops everything that is ready or will be."""

class Stream:
    """The native half of `turnout.transports.SocketTransport`: a read, and a write that the kernel takes at once."""

    def __new__(cls, transport: Any, sock: Any) -> Stream: ...
    def set_protocol(self, protocol: Any, fills: bool) -> None:
        """Who is told of what arrives; `fills` says that it is a `BufferedProtocol`."""

    def block(self, yes: bool) -> None:
        """Whether every write must go through the stdlib's."""

    def end(self) -> None:
        """The connection is lost: lets go of everything."""

    def read(self, transport: Any) -> None: ...
    def write(self, data: Any) -> None: ...
    def writelines(self, lines: Any) -> None: ...

class Handle:
    """What `call_soon` gives: `asyncio.Handle` in behaviour and looks."""

    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def get_context(self) -> Context: ...
    def _run(self) -> None: ...

@final
class TimerHandle(Handle):
    """What `call_later` and `call_at` give: `asyncio.TimerHandle` in behaviour and looks."""

    def when(self) -> float: ...
    def __lt__(self, other: object) -> bool: ...
    def __le__(self, other: object) -> bool: ...
    def __gt__(self, other: object) -> bool: ...
    def __ge__(self, other: object) -> bool: ...

@final
class Exchange:
    """The answer of one async Django request, on the loop thread only.

    Never answered it becomes a 500; started and never ended, a closed connection. When the client leaves before the
    answer is whole, the request's task is cancelled. `reason`: the project's own words for the status.
    """

    def respond(
        self,
        status: int,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        body: bytes,
        reason: str | bytes | None = None,
    ) -> None:
        """The whole answer at once. ValueError when status or headers cannot be sent: then nothing was sent."""

    def respond_file(
        self,
        status: int,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        file: Any,
        reason: str | bytes | None = None,
    ) -> Awaitable[None] | None:
        """The rest of a real file, as much as Content-Length promises, sent by Rust; None, and nothing sent, if not.

        Done when the file is needed no longer: it was sent, or the client left. ValueError as in `respond`.
        """

    def start(
        self, status: int, headers: Iterable[tuple[str | bytes, str | bytes]], reason: str | bytes | None = None
    ) -> None:
        """The head of a streamed answer. ValueError as in `respond`."""

    def write(self, chunk: bytes) -> Awaitable[None]:
        """A piece of a streamed answer; waits while the client reads slowly, ConnectionResetError when it left."""

    def pull(self, source: AsyncGenerator[Any], make_bytes: Callable[[Any], bytes], plain: bool) -> Sending:
        """Sends what an async generator yields, and ends the answer."""

    def end(self) -> None:
        """The last piece was written."""

    def abort(self) -> None:
        """Gives up: a 500 before the head, a closed connection after it, nothing after the end."""

    def finish(self) -> None:
        """The request is over: gives up what is not ended, and ends its account with this step of the loop."""

    @property
    def incoming(self) -> HttpIncoming:
        """What outbound calls belong to that are made for this request."""

    @property
    def disconnected(self) -> bool:
        """True when the client left before the answer was whole."""

    @property
    def started(self) -> bool:
        """True once the head was given."""

@final
class Sending:
    """Sends what an async generator yields and ends the answer: awaitable, once, and closes the generator in any case.

    What it yields becomes bytes by `make_bytes`, or, if `plain`, as Django's own does it with UTF-8.
    """

    def __init__(
        self, source: AsyncGenerator[Any], make_bytes: Callable[[Any], bytes], plain: bool, exchange: Any
    ) -> None: ...
    def __await__(self) -> Generator[Any, Any]: ...

@final
class Reactor:
    """asyncio's selector in Rust; `turnout.loop.ReactorSelector` is the whole selector around it."""

    def __init__(self, keys: dict[int, SelectorKey]) -> None: ...
    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Drives Rust and waits for Python's descriptors. RuntimeError while another thread is in it."""

    def add(self, fd: int, events: int) -> None:
        """Watches a descriptor. OSError as from epoll."""

    def modify(self, fd: int, events: int) -> None:
        """Watches it for other events."""

    def remove(self, fd: int) -> None:
        """Watches it no more."""

    def fileno(self) -> int:
        """The epoll set of Python's descriptors; -1 when closed."""

    def poke(self) -> None:
        """Makes `select` return; from any thread."""

    def close(self) -> None:
        """Ends the runtime with all its tasks; from any thread while the loop does not run."""

    def after_fork(self) -> bool:
        """In a forked child: starts afresh. Python's descriptors must be added again if it says True."""

    def attach(self, owner: AbstractEventLoop) -> None:
        """Who is told about exceptions of callbacks from Rust; held weakly."""

    def start_runtime(self) -> None:
        """Creates the runtime now instead of with the first Rust task."""

    def set_try_before_release(self, yes: bool) -> None:
        """Whether to look for Rust work once more before the GIL is released to wait (the default)."""

    def stats(self) -> dict[str, int]:
        """What happened so far, for tests and benches.

        Of the loop's steps (one callback each): ``steps``, ``steps_ran_ns`` from begin to end, ``steps_queued_ns`` from
        ready to begin, ``longest_step_ns``.
        """

@final
class SyncPool:
    """Long-lived threads for blocking work.

    Starts with no thread and grows to ``max_threads``. One thread computes at a time; another is put to work when all
    that have a call wait for something, or when no call was taken for a while and at most 8 compute or wait for the
    GIL. Idle threads end after 60 s. See docs/decisions/0009-a-pool-that-reads-its-threads.md.
    """

    def __new__(cls, max_threads: int, *, queue_timeout: float | None = None) -> SyncPool:
        """``queue_timeout``: seconds a call may wait for a thread; then its future gets TimeoutError."""

    def submit(self, function: Callable[_P, _T], /, *args: _P.args) -> Future[_T]:
        """Runs ``function(*args)`` on a thread of the pool. RuntimeError once it is closed."""

    def line(self, route: str) -> SyncLine:
        """The pool for calls of one view, which wait in its line; an empty route: those whose path has no view."""

    def thread_waits(self) -> None:
        """One of its threads begins to wait for the event loop: until it goes on, one more may work.

        But never more than ``max_threads`` more.
        """

    def thread_goes_on(self) -> None:
        """That thread waits no longer."""

    def on_thread_end(self, callback: Callable[[], object]) -> None:
        """Each thread calls ``callback`` before it ends."""

    def close(self, timeout: float = 0.0) -> bool:
        """Takes no more work, lets what is queued finish; False when threads still run after ``timeout`` seconds."""

    @property
    def threads(self) -> int:
        """How many threads live now."""

    @property
    def queued(self) -> int:
        """How many calls wait for a thread now."""

@final
class SyncLine:
    """The sync pool as the requests of one view see it (docs/decisions/0020-no-view-takes-all-threads.md)."""

    def submit(self, function: Callable[_P, _T], /, *args: _P.args) -> Future[_T]:
        """As `SyncPool.submit`."""

@final
class RouteTable:
    """The routes that `DjangoHandler.routes` gave, as Rust has them."""

    def doubt(self, path: str) -> None:
        """The track of this path was another one: ask for it, and for others of its route, from now on."""

    def doubt_all(self) -> None:
        """Ask for every path from now on."""

@final
class Server:
    """Everything of one worker between its listeners and the project."""

    def __new__(
        cls,
        event_loop: AbstractEventLoop,
        link: WorkerLink | None,
        settings: str,
        kind: Literal["asgi", "django", "wsgi"],
        application: Any,
        *,
        state: dict[str, Any] | None = None,
        pool: SyncPool | None = None,
    ) -> Server:
        """``application``: an ASGI or WSGI callable, or a `turnout.django.handler.DjangoHandler`. Settings as JSON.

        Without a link, which only a worker process has, it listens on the addresses of the settings itself.
        """

    def start(self) -> None:
        """Begins to accept connections."""

    def drain(self) -> Awaitable[None]:
        """Stops accepting, lets requests in flight finish; done when the last connection is closed."""

    def abort(self) -> None:
        """Drops every connection; one that was never started stops listening."""

    def end_streams(self) -> None:
        """Close the streamed answers that hold no thread, on the pool; after that none leaves its thread any more."""

    @property
    def pool(self) -> SyncPool:
        """Where sync views run."""

    @property
    def in_flight(self) -> int:
        """Requests accepted and not yet answered."""

    @property
    def addresses(self) -> list[str]:
        """Where it listens, until it is started; port 0 is the number the system chose by then."""

@final
class WorkerLink:
    """A worker's link to the supervisor that started it."""

    #: The environment variable that holds it. For this process only: remove it after `from_env`.
    VARIABLE: str

    @staticmethod
    def from_env() -> WorkerLink:
        """RuntimeError in a process that no supervisor started. Call once."""

    @property
    def settings(self) -> str:
        """The resolved options as JSON; durations are seconds."""

    def watch(self, limit: float) -> None:
        """From now on: SIGTERM when the supervisor is gone, however it went, and SIGKILL ``limit`` seconds later."""

    def start_heart(self, reactor: Any) -> None:
        """From now on the supervisor sees whether the GIL of this process can be had."""

    def ready(self, banner: str) -> None:
        """Connections are accepted; the supervisor shows the first worker's banner."""

    def failed(self, message: str, status: int) -> None:
        """This worker cannot start; the process is about to end with this status."""

    def close(self) -> None:
        """Ends what must not meet a finalised interpreter, and writes the last lines of the access log."""

def command(arguments: list[str], worker: list[str], routes: Callable[[str, str], int]) -> int:
    """Run a command line (without the program's name) and return its exit status.

    ``worker`` starts a worker process. ``routes`` shows the routes of a project: it gets the settings and the question
    as JSON and returns the exit status.
    """

def default_settings() -> str:
    """What is served with when nobody says anything, as JSON for a `Server`."""

def merge_json(
    sources: Iterable[tuple[str, HttpJson, Any]],
    *,
    concat: str | None = None,
    group_as: str | None = None,
    sort_by: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    also: dict[str, HttpJson] | None = None,
) -> HttpJson:
    """One JSON text of many, copied from slices of theirs. Each source: its name, its value, and a Select or None.

    With `concat`, ``{concat: [...]}`` of all their arrays: each the one that was selected, or the one the source has
    under that name; null counts as empty. `group_as` puts a field with the source's name before the others of each
    element, `sort_by` is a pointer into the elements as they are written (numbers by value to the last digit, then
    strings, then booleans; what has none comes last), `limit` keeps the first ones. Without it, an object of each
    source's value under its name. `also`: further fields.
    """

@final
class LabUpstreams:
    """Simulated booking sites on a thread of their own, from construction to `stop`; for `turnout demo` and tests.

    `idle` and `calls` say after how many seconds without a call, or after how many calls, a connection is closed.
    OSError when the address cannot be had.
    """

    def __init__(
        self,
        bind: str = "127.0.0.1:0",
        seed: int = 1,
        *,
        tls: bool = False,
        idle: float | None = None,
        calls: int | None = None,
    ) -> None: ...
    @property
    def authority(self) -> str | None:
        """The certificate that clients have to believe, in PEM, if they speak TLS."""

    @property
    def url(self) -> str:
        """Where they listen, without a path."""

    def in_flight(self) -> int:
        """How many calls wait for their answer now."""

    def stats(self) -> str:
        """All counters, as JSON."""

    def reset(self) -> None:
        """Forgets totals and maxima."""

    def stop(self) -> None:
        """Ends them; calls that are out are cut off."""

@final
class HttpJson:
    """A JSON value that stays the bytes it came as: looked into, cut, merged and sent without Python objects of it.

    Numbers keep their text, objects their order; of a name that is there twice the last counts. Immutable.
    """

    @staticmethod
    def parse(text: bytes | bytearray | memoryview | str, /) -> HttpJson:
        """Reads it once, whole; JSONDecodeError says line and column where it is none. UTF-8, 200 levels at most."""

    def pointer(self, path: str, /) -> HttpJson:
        """What a JSON pointer (RFC 6901) leads to, such as ``/data/offers/0``; KeyError where that is nothing."""

    def select(self, select: Any, /) -> HttpJson:
        """What a `turnout.http.Select` leaves of it."""

    def to_python(self, *, parse_float: Callable[[str], Any] | None = None) -> Any:
        """What `json.loads` would give. A large value lets other threads run every half millisecond."""

    def ato_python(self, *, parse_float: Callable[[str], Any] | None = None) -> HttpJsonSteps:
        """As `to_python`, to be awaited: the event loop turns every half millisecond."""

    def keys(self) -> list[str]:
        """The names of an object. TypeError for anything else."""

    @property
    def type(self) -> Literal["null", "boolean", "number", "string", "array", "object"]: ...
    @property
    def nbytes(self) -> int:
        """The length of its text."""

    def __getitem__(self, key: str | int, /) -> HttpJson: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __bytes__(self) -> bytes: ...
    def __str__(self) -> str: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class HttpJsonSteps(Generator[None, None, Any]):
    """The making of Python objects, at most half a millisecond a step. Await it, or take the steps yourself."""

    def __await__(self) -> HttpJsonSteps: ...
    def __iter__(self) -> HttpJsonSteps: ...
    def __next__(self) -> None: ...
    def send(self, value: Any, /) -> None: ...
    def throw(self, *args: Any) -> Any: ...
    def close(self) -> None: ...

@final
class LabLoad:
    """One run of the load generator, started by its construction; it ends after `requests`, or `seconds` at the latest.

    ValueError when `url` or a header ("Name: value") cannot be sent.
    """

    def __init__(
        self,
        url: str,
        connections: int,
        requests: int | None = None,
        seconds: float = 60.0,
        headers: list[str] = ...,
    ) -> None: ...
    @property
    def answered(self) -> int:
        """Requests answered as expected, so far."""

    @property
    def failed(self) -> int:
        """Requests that failed, so far."""

    def wait(self, seconds: float) -> str | None:
        """The report as JSON, once; None if the load goes on after so many seconds."""
