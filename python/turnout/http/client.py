"""The client: a thin face of the native core, which all clients with the same limits share."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from turnout._turnout import HttpClient, HttpRequest, HttpResponse
from turnout._turnout import HttpCookieJar as CookieJar
from turnout.http import settings
from turnout.http.completed import AsCompleted, finish_all
from turnout.http.gathered import Fallback, Gathered, settled
from turnout.http.policies import Limits, Policy, Select, Timeout
from turnout.http.reaching import AddressPolicy
from turnout.http.settings import Upstream

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from turnout.http.typed import ClientOptions, Common, Parts, Plan, Transport

__all__ = ["Client", "process_client"]

K = TypeVar("K")

ALL_COMPLETED = "ALL_COMPLETED"
#: What `requests=` takes: requests by key, or one after another; then their places are the keys.
Requests = Mapping[K, HttpRequest] | Iterable[HttpRequest]


class Client:
    """Calls upstreams, blocking or awaited: `get` and `aget`, `gather` and `agather`.

    Costs nothing to make: connections belong to the process. Usable from every thread and loop; needs no closing.
    Every option but `limits` and `upstreams` can be replaced for one request.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        limits: Limits | Mapping[str, Any] | None = None,
        upstreams: Mapping[str, Upstream | Mapping[str, Any]] | None = None,
        transport: Transport = None,
        cookies: CookieJar | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        common, _ = Upstream.read({"base_url": base_url or None, **options}, "Client()")
        given = _given(common)
        if transport is not None:
            given["transport"] = transport
        if cookies is not None:
            given["cookies"] = cookies
        self._make(
            settings.HttpSettings(
                common,
                limits if isinstance(limits, Limits) else Limits(**(limits or {})),
                {name: Upstream.read(one, f"upstreams[{name!r}]")[0] for name, one in (upstreams or {}).items()},
            ),
            given,
        )

    def _make(self, wanted: settings.HttpSettings, common: dict[str, Any]) -> None:
        upstreams = {name: _given(one) for name, one in wanted.upstreams.items()}
        self._native = HttpClient({**common, "limits": wanted.limits, "upstreams": upstreams})

    @property
    def native(self) -> HttpClient:
        """The native core."""
        return self._native

    def request(self, method: str, url: str, *, stream: bool = False, **parts: Unpack[Parts]) -> HttpResponse:
        """One call; blocks, without the GIL. `parts`: what `Request` takes."""
        return self.native.send(HttpRequest(method, url, **parts), stream)

    def arequest(
        self, method: str, url: str, *, stream: bool = False, **parts: Unpack[Parts]
    ) -> Awaitable[HttpResponse]:
        """One call, to be awaited."""
        return self.native.asend(HttpRequest(method, url, **parts), stream)

    def send(self, request: HttpRequest, *, stream: bool = False) -> HttpResponse:
        """A request made before; blocks."""
        return self.native.send(request, stream)

    def asend(self, request: HttpRequest, *, stream: bool = False) -> Awaitable[HttpResponse]:
        """A request made before, to be awaited."""
        return self.native.asend(request, stream)

    def stream(self, method: str, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """A call whose answer's body is read as it comes: ``with client.stream("GET", url) as response``."""
        return self.native.send(HttpRequest(method, url, **parts), True)

    def astream(self, method: str, url: str, **parts: Unpack[Parts]) -> _Entered:
        """The same, for ``async with``."""
        return _Entered(self.native.asend(HttpRequest(method, url, **parts), True))

    def get(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("GET", url, **parts))

    def head(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("HEAD", url, **parts))

    def options(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("OPTIONS", url, **parts))

    def post(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("POST", url, **parts))

    def put(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("PUT", url, **parts))

    def patch(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("PATCH", url, **parts))

    def delete(self, url: str, **parts: Unpack[Parts]) -> HttpResponse:
        """Blocks."""
        return self.native.send(HttpRequest("DELETE", url, **parts))

    def aget(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("GET", url, **parts))

    def ahead(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("HEAD", url, **parts))

    def aoptions(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("OPTIONS", url, **parts))

    def apost(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("POST", url, **parts))

    def aput(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("PUT", url, **parts))

    def apatch(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("PATCH", url, **parts))

    def adelete(self, url: str, **parts: Unpack[Parts]) -> Awaitable[HttpResponse]:
        """To be awaited."""
        return self.native.asend(HttpRequest("DELETE", url, **parts))

    @overload
    def gather(self, requests: Mapping[K, HttpRequest], **plan: Unpack[Plan[K]]) -> Gathered[K]: ...  # type: ignore[overload-overlap]
    @overload
    def gather(self, requests: Iterable[HttpRequest], **plan: Unpack[Plan[int]]) -> Gathered[int]: ...
    def gather(
        self,
        requests: Requests[Any],
        *,
        deadline: float | None = None,
        timeout: float | Timeout | None = None,
        return_when: str = ALL_COMPLETED,
        quorum: int | None = None,
        grace: float = 0.0,
        require: Collection[Any] = (),
        fallback: Fallback[Any] | None = None,
        max_concurrency: int | None = None,
        decode: str = "json",
        select: Select | str | Mapping[Any, Select | str] | None = None,
        policy: Policy | None = None,
    ) -> Gathered[Any]:
        """Many calls at once; blocks, without the GIL, until the plan is met.

        A call that fails raises nothing: it has an outcome. Only a missing one of `require` does (`GatherError`).
        """
        keys, made = _parts(requests)
        chosen = _selects(select, keys)
        plan = _plan(deadline, timeout, return_when, quorum, grace, require, max_concurrency, decode, chosen, policy)
        outcomes, order = self.native.gather(keys, made, plan)
        return settled(outcomes, require=require, fallback=fallback, completion_order=[keys[place] for place in order])

    @overload
    async def agather(self, requests: Mapping[K, HttpRequest], **plan: Unpack[Plan[K]]) -> Gathered[K]: ...  # type: ignore[overload-overlap]
    @overload
    async def agather(self, requests: Iterable[HttpRequest], **plan: Unpack[Plan[int]]) -> Gathered[int]: ...
    async def agather(
        self,
        requests: Requests[Any],
        *,
        deadline: float | None = None,
        timeout: float | Timeout | None = None,
        return_when: str = ALL_COMPLETED,
        quorum: int | None = None,
        grace: float = 0.0,
        require: Collection[Any] = (),
        fallback: Fallback[Any] | None = None,
        max_concurrency: int | None = None,
        decode: str = "json",
        select: Select | str | Mapping[Any, Select | str] | None = None,
        policy: Policy | None = None,
    ) -> Gathered[Any]:
        """The same, awaited. Cancelled, it gives up all of its calls."""
        keys, made = _parts(requests)
        chosen = _selects(select, keys)
        plan = _plan(deadline, timeout, return_when, quorum, grace, require, max_concurrency, decode, chosen, policy)
        outcomes, order = await self.native.agather(keys, made, plan)
        await finish_all(outcomes)
        return settled(outcomes, require=require, fallback=fallback, completion_order=[keys[place] for place in order])

    @overload
    def as_completed(self, requests: Mapping[K, HttpRequest], **plan: Unpack[Common[K]]) -> AsCompleted[K]: ...  # type: ignore[overload-overlap]
    @overload
    def as_completed(self, requests: Iterable[HttpRequest], **plan: Unpack[Common[int]]) -> AsCompleted[int]: ...
    def as_completed(
        self,
        requests: Requests[Any],
        *,
        deadline: float | None = None,
        timeout: float | Timeout | None = None,
        fallback: Fallback[Any] | None = None,
        max_concurrency: int | None = None,
        decode: str = "json",
        select: Select | str | Mapping[Any, Select | str] | None = None,
        policy: Policy | None = None,
    ) -> AsCompleted[Any]:
        """The outcomes one by one, as they come: for ``for`` and ``async for``. Leaving early gives up the rest."""
        keys, made = _parts(requests)
        chosen = _selects(select, keys)
        plan = _plan(deadline, timeout, ALL_COMPLETED, None, 0.0, (), max_concurrency, decode, chosen, policy)
        return AsCompleted(self.native.as_completed(keys, made, plan), fallback)

    def stats(self) -> dict[str, Any]:
        """What happened so far to the calls of all clients with the same limits, and to their connections.

        Times in seconds.
        """
        return self.native.stats()


class _ProcessClient(Client):
    """The ready-made one, by the settings: read at the first call, and again when they changed."""

    def __init__(self) -> None:
        self._made: HttpClient | None = None
        settings.on_change(self._forget)

    @property
    def native(self) -> HttpClient:
        made = self._made
        if made is None:
            wanted = settings.current()
            self._make(wanted, _given(wanted.defaults))
            made = self._made = self._native
        return made

    def _forget(self) -> None:
        self._made = None


#: `turnout.http.client`.
process_client = _ProcessClient()


class _Entered:
    """A call for ``async with``: the response, closed at the end."""

    __slots__ = ("_call", "_response")

    def __init__(self, call: Awaitable[HttpResponse]) -> None:
        self._call = call
        self._response: HttpResponse | None = None

    async def __aenter__(self) -> HttpResponse:
        self._response = await self._call
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()


_NAMES = tuple(field.name for field in fields(Upstream))


def _given(upstream: Upstream) -> dict[str, Any]:
    """What it says."""
    given = {name: getattr(upstream, name) for name in _NAMES}
    if given["addresses"] is AddressPolicy.ANY:
        given["addresses"] = None
    if given["verify"] is True:
        given["verify"] = None
    return {name: value for name, value in given.items() if value is not None}


def _parts(requests: Requests[Any]) -> tuple[list[Any], list[HttpRequest]]:
    if isinstance(requests, Mapping):
        return list(requests), list(requests.values())
    made = list(requests)
    return list(range(len(made))), made


def _selects(select: Select | str | Mapping[Any, Any] | None, keys: list[Any]) -> list[Select | None] | None:
    """By the places of the requests. A mapping with other keys than theirs is one `Select`, as settings write it."""
    if select is None:
        return None
    if isinstance(select, Mapping) and not (select.keys() - set(keys)):
        return [Select.of(select[key]) if select.get(key) is not None else None for key in keys]
    return [Select.of(select) for _ in keys]


def _plan(
    deadline: float | None,
    timeout: float | Timeout | None,
    return_when: str,
    quorum: int | None,
    grace: float,
    require: Collection[Any],
    max_concurrency: int | None,
    decode: str,
    select: list[Select | None] | None,
    policy: Policy | None,
) -> dict[str, Any]:
    plan = {
        "deadline": deadline,
        "return_when": return_when,
        "quorum": quorum,
        "grace": grace,
        "require": require,
        "max_concurrency": max_concurrency,
        "decode": decode,
        "select": select,
    }
    options: dict[str, Any] = {}
    if isinstance(timeout, (int, float)):
        plan["timeout"] = timeout
    elif timeout is not None:
        options["timeout"] = timeout
    if policy is not None:
        options["policy"] = policy
    if options:
        plan["options"] = options
    return plan
