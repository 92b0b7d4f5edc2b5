"""httpx's clients over turnout's pool, against httpbin: what they promise holds, and what they raise is theirs."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from harness import serve

from turnout import http
from turnout.http import errors
from turnout.http.compat import AsyncHttpxTransport, HttpxTransport


@pytest.fixture(scope="module")
def bin_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(["httpbin:app", "--interface", "wsgi"], cwd=tmp_path_factory.mktemp("httpbin")) as server:
        yield server.url


class Both:
    """One case for the sync and the async client: `ask(method, url, **more)`, each time with a fresh client."""

    def __init__(self, colour: str, url: str) -> None:
        self.colour, self.url = colour, url

    def session(self, use: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
        """`use` awaits what it asks of the client; with the sync one that is done already."""
        options = {"base_url": self.url, **options}
        if self.colour == "async":

            async def main() -> Any:
                async with httpx.AsyncClient(transport=AsyncHttpxTransport(), **options) as client:
                    return await use(client)

            return asyncio.run(main())
        with httpx.Client(transport=HttpxTransport(), **options) as client:
            return _run(use(_Awaited(client)))

    def ask(self, method: str, path: str, *, options: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        async def use(client: Any) -> httpx.Response:
            return await client.request(method, path, **more)

        return self.session(use, **(options or {}))


class _Awaited:
    """A sync client whose calls can be awaited."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    async def request(self, *args: Any, **more: Any) -> httpx.Response:
        return self.client.request(*args, **more)

    @property
    def cookies(self) -> httpx.Cookies:
        return self.client.cookies


def _run(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a sync client does not wait for a loop")


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest, bin_url: str) -> Both:
    return Both(request.param, bin_url)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_arrives_as_it_was_made(both: Both, method: str) -> None:
    told = both.ask(method, "/anything/a%20b", params={"x": ["1", "2"], "y": "é"}, headers={"X-Own": "a"}).json()
    assert told["method"] == method
    assert told["args"] == {"x": ["1", "2"], "y": "é"}
    assert told["headers"]["X-Own"] == "a"
    assert told["headers"]["User-Agent"].startswith("python-httpx/")
    assert told["headers"]["Host"] == both.url.removeprefix("http://")


def test_a_head_request_has_no_body(both: Both) -> None:
    response = both.ask("HEAD", "/get")
    assert (response.status_code, response.content) == (200, b"")


def test_the_response_is_httpxs(both: Both) -> None:
    response = both.ask("GET", "/response-headers?X-Twice=a&X-Twice=b")
    assert response.headers.get_list("x-twice") == ["a", "b"]
    assert response.http_version == "HTTP/1.1"
    assert response.reason_phrase == "OK"
    assert str(response.url) == f"{both.url}/response-headers?X-Twice=a&X-Twice=b"
    assert response.elapsed.total_seconds() > 0
    assert response.extensions["turnout"].attempts == 1


def test_bodies_of_every_kind_arrive(both: Both) -> None:
    assert both.ask("POST", "/post", json={"a": [1, "é"]}).json()["json"] == {"a": [1, "é"]}
    assert both.ask("POST", "/post", data={"a": "1", "b": ["2", "3"]}).json()["form"] == {"a": "1", "b": ["2", "3"]}
    assert both.ask("POST", "/post", content=b"plain").json()["data"] == "plain"
    assert both.ask("POST", "/post", content="").json()["data"] == ""


def test_multipart_arrives(both: Both) -> None:
    files = {"file": ("a.txt", io.BytesIO(b"z" * 100_000), "text/plain"), "other": b"small"}
    told = both.ask("POST", "/post", data={"n": "v"}, files=files).json()
    assert told["form"] == {"n": "v"}
    assert told["files"] == {"file": "z" * 100_000, "other": "small"}


def test_a_body_from_an_iterator_is_streamed_up(bin_url: str) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(50):
            yield b"%03d" % number * 1000

    async def apieces() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    whole = b"".join(pieces()).decode()
    with httpx.Client(transport=HttpxTransport()) as client:
        assert client.post(f"{bin_url}/post", content=pieces()).json()["data"] == whole

    async def main() -> Any:
        async with httpx.AsyncClient(transport=AsyncHttpxTransport()) as client:
            return (await client.post(f"{bin_url}/post", content=apieces())).json()["data"]

    assert asyncio.run(main()) == whole


def test_a_body_is_streamed_down(bin_url: str) -> None:
    with httpx.Client(transport=HttpxTransport()) as client, client.stream("GET", f"{bin_url}/stream/5") as response:
        assert len(list(response.iter_lines())) == 5

    async def main() -> int:
        url = f"{bin_url}/stream-bytes/100000?chunk_size=1000"
        client = httpx.AsyncClient(transport=AsyncHttpxTransport())
        async with client, client.stream("GET", url) as response:
            return sum([len(piece) async for piece in response.aiter_bytes()])

    assert asyncio.run(main()) == 100_000


def test_a_response_left_early_leaves_the_client_usable(bin_url: str) -> None:
    with httpx.Client(transport=HttpxTransport()) as client:
        for _ in range(3):
            with client.stream("GET", f"{bin_url}/stream-bytes/1000000") as response:
                next(response.iter_bytes())
        assert client.get(f"{bin_url}/get").status_code == 200


@pytest.mark.parametrize("path", ["/redirect/3", "/relative-redirect/3", "/absolute-redirect/3"])
def test_redirects_are_httpxs_to_follow(both: Both, path: str) -> None:
    response = both.ask("GET", path)
    assert response.status_code == 302
    assert response.has_redirect_location
    response = both.ask("GET", path, follow_redirects=True)
    assert response.status_code == 200
    assert str(response.url) == f"{both.url}/get"
    assert [before.status_code for before in response.history] == [302, 302, 302]


def test_a_redirect_changes_the_method_as_httpx_says(both: Both) -> None:
    path = f"/redirect-to?url={both.url}/anything&status_code="
    seen = both.ask("POST", f"{path}303", content=b"x", follow_redirects=True).json()
    assert (seen["method"], seen["data"]) == ("GET", "")
    seen = both.ask("POST", f"{path}307", content=b"x", follow_redirects=True).json()
    assert (seen["method"], seen["data"]) == ("POST", "x")


def test_too_many_redirects_are_httpxs_error(both: Both) -> None:
    with pytest.raises(httpx.TooManyRedirects):
        both.ask("GET", "/redirect/5", follow_redirects=True, options={"max_redirects": 3})


def test_cookies_are_httpxs_to_keep(both: Both) -> None:
    async def use(client: Any) -> tuple[Any, Any]:
        await client.request("GET", "/cookies/set?a=1&b=2")
        seen = (await client.request("GET", "/cookies")).json()
        return seen, dict(client.cookies)

    assert both.session(use) == ({"cookies": {"a": "1", "b": "2"}}, {"a": "1", "b": "2"})
    assert both.ask("GET", "/cookies").json() == {"cookies": {}}


def test_authentication_is_httpxs(both: Both) -> None:
    assert both.ask("GET", "/basic-auth/me/secret").status_code == 401
    assert both.ask("GET", "/basic-auth/me/secret", auth=("me", "secret")).json()["user"] == "me"
    digest = httpx.DigestAuth("me", "secret")
    assert both.ask("GET", "/digest-auth/auth/me/secret", auth=digest).json()["user"] == "me"
    wrong = httpx.DigestAuth("me", "wrong")
    assert both.ask("GET", "/digest-auth/auth/me/secret", auth=wrong).status_code == 401
    assert both.ask("GET", "/bearer", headers={"Authorization": "Bearer t"}).json()["token"] == "t"


@pytest.mark.parametrize(("path", "coding"), [("/gzip", "gzip"), ("/deflate", "deflate"), ("/brotli", "br")])
def test_bodies_are_decoded_by_httpx_and_their_headers_stay(both: Both, path: str, coding: str) -> None:
    response = both.ask("GET", path)
    assert response.headers["content-encoding"] == coding
    assert response.json()["method"] == "GET"
    assert response.num_bytes_downloaded == int(response.headers["content-length"])


def test_an_error_status_is_none_until_it_is_asked_for(both: Both) -> None:
    response = both.ask("GET", "/status/418")
    assert response.status_code == 418
    with pytest.raises(httpx.HTTPStatusError):
        response.raise_for_status()


def test_time_outs_are_by_phase(both: Both) -> None:
    with pytest.raises(httpx.ReadTimeout) as caught:
        both.ask("GET", "/delay/5", timeout=httpx.Timeout(5, read=0.1))
    assert isinstance(caught.value.__cause__, errors.ReadTimeout)
    assert str(caught.value.request.url) == f"{both.url}/delay/5"
    # httpx knows no total: as long as something comes in time, it goes on.
    assert both.ask("GET", "/drip?duration=1&numbytes=4", timeout=httpx.Timeout(0.9)).content == b"****"
    assert both.ask("GET", "/get", timeout=None).status_code == 200


def test_a_pause_in_a_streamed_body_is_a_read_time_out(bin_url: str) -> None:
    client = httpx.Client(transport=HttpxTransport(), timeout=httpx.Timeout(5, read=0.3))
    with client, client.stream("GET", f"{bin_url}/drip?duration=20&numbytes=2&delay=0") as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"*"
        with pytest.raises(httpx.ReadTimeout):
            next(pieces)


KINDS = [
    (errors.ConnectTimeout, httpx.ConnectTimeout),
    (errors.ReadTimeout, httpx.ReadTimeout),
    (errors.WriteTimeout, httpx.WriteTimeout),
    (errors.PoolTimeout, httpx.PoolTimeout),
    (errors.AttemptTimeout, httpx.ReadTimeout),
    (errors.DeadlineExceeded, httpx.ReadTimeout),
    (errors.ConnectError, httpx.ConnectError),
    (errors.DNSError, httpx.ConnectError),
    (errors.TLSError, httpx.ConnectError),
    (errors.ReadError, httpx.ReadError),
    (errors.WriteError, httpx.WriteError),
    (errors.LocalProtocolError, httpx.LocalProtocolError),
    (errors.RemoteProtocolError, httpx.RemoteProtocolError),
    (errors.ProxyError, httpx.ProxyError),
    (errors.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (errors.CircuitOpen, httpx.ConnectError),
    (errors.Overloaded, httpx.ConnectError),
    (errors.ResponseTooLarge, httpx.ReadError),
]


@pytest.mark.parametrize(("ours", "theirs"), KINDS, ids=[ours.__name__ for ours, _ in KINDS])
def test_errors_are_httpxs(both: Both, ours: type[errors.HTTPError], theirs: type[Exception]) -> None:
    with http.mock() as m:
        m.get().fail(ours)
        with pytest.raises(theirs) as caught:
            both.ask("GET", "/")
    assert type(caught.value) is theirs
    assert type(caught.value.__cause__) is ours


def test_nobody_there_is_a_connect_error(both: Both) -> None:
    with pytest.raises(httpx.ConnectError):
        both.ask("GET", "http://127.0.0.1:1/")


def test_an_unknown_scheme_is_httpxs_error(both: Both) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        both.ask("GET", "ftp://a.example/")


def test_one_async_transport_serves_any_number_of_loops(bin_url: str) -> None:
    transport = AsyncHttpxTransport()

    async def main() -> int:
        client = httpx.AsyncClient(transport=transport)
        return (await client.get(f"{bin_url}/get")).status_code

    assert [asyncio.run(main()) for _ in range(3)] == [200, 200, 200]
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(asyncio.run(main()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200, 200, 200]


def test_policies_work_below_httpx() -> None:
    with http.mock() as m:
        rule = m.get("http://a.example/").reply(503).reply(json={"at": "last"})
        policy = http.Policy(retry=http.Retry(2, backoff=http.Backoff(0)))
        with httpx.Client(transport=HttpxTransport(policy=policy)) as client:
            assert client.get("http://a.example/").json() == {"at": "last"}
    rule.assert_called(times=2)


def test_a_client_and_options_are_one_too_many() -> None:
    with pytest.raises(TypeError, match="make the client with these"):
        HttpxTransport(http.Client(), timeout=1)
