"""requests' sessions over turnout's pool, against httpbin: what they promise holds, and what they raise is theirs."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from harness import serve
from requests.auth import HTTPDigestAuth

from turnout import http
from turnout.http import errors
from turnout.http.compat import HTTPAdapter


@pytest.fixture(scope="module")
def bin_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(["httpbin:app", "--interface", "wsgi"], cwd=tmp_path_factory.mktemp("httpbin")) as server:
        yield server.url


def mounted(**options: Any) -> requests.Session:
    session = requests.Session()
    # Whatever the machine has in its environment is not what is tested.
    session.trust_env = False
    session.mount("http://", HTTPAdapter(**options))
    session.mount("https://", HTTPAdapter(**options))
    return session


@pytest.fixture
def session() -> requests.Session:
    return mounted()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_arrives_as_it_was_made(session: requests.Session, bin_url: str, method: str) -> None:
    params: dict[str, Any] = {"x": ["1", "2"], "y": "é"}
    told = session.request(method, f"{bin_url}/anything/a%20b", params=params, headers={"X-Own": "a"}).json()
    assert told["method"] == method
    assert told["args"] == {"x": ["1", "2"], "y": "é"}
    assert told["headers"]["X-Own"] == "a"
    assert told["headers"]["User-Agent"].startswith("python-requests/")
    assert told["headers"]["Host"] == bin_url.removeprefix("http://")


def test_the_response_is_requests(session: requests.Session, bin_url: str) -> None:
    response = session.get(f"{bin_url}/response-headers?X-Own=a")
    assert response.headers["x-OWN"] == "a"
    assert (response.status_code, response.reason, response.ok) == (200, "OK", True)
    assert response.url == f"{bin_url}/response-headers?X-Own=a"
    assert response.encoding == "utf-8"
    assert response.raw.version == 11
    assert response.request.method == "GET"
    assert pickle.loads(pickle.dumps(response)).json() == response.json()
    assert session.head(f"{bin_url}/get").content == b""


def test_bodies_of_every_kind_arrive(session: requests.Session, bin_url: str) -> None:
    def post(**more: Any) -> Any:
        return session.post(f"{bin_url}/post", **more).json()

    assert post(json={"a": [1, "é"]})["json"] == {"a": [1, "é"]}
    assert post(data={"a": "1", "b": ["2", "3"]})["form"] == {"a": "1", "b": ["2", "3"]}
    assert post(data=b"plain")["data"] == "plain"
    assert post(data="text")["data"] == "text"
    assert post()["data"] == ""


def test_multipart_arrives(session: requests.Session, bin_url: str) -> None:
    files = {"file": ("a.txt", io.BytesIO(b"z" * 100_000), "text/plain"), "other": "small"}
    told = session.post(f"{bin_url}/post", data={"n": "v"}, files=files).json()
    assert told["form"] == {"n": "v"}
    assert told["files"] == {"file": "z" * 100_000, "other": "small"}


def test_files_and_iterators_are_streamed_up(session: requests.Session, bin_url: str) -> None:
    file = io.BytesIO(b"y" * 300_000)
    told = session.post(f"{bin_url}/post", data=file).json()
    assert told["data"] == "y" * 300_000
    assert told["headers"]["Content-Length"] == "300000"
    told = session.post(f"{bin_url}/post", data=(b"%03d" % number for number in range(50))).json()
    assert told["data"] == "".join(f"{number:03}" for number in range(50))


def test_a_body_is_streamed_down(session: requests.Session, bin_url: str) -> None:
    with session.get(f"{bin_url}/stream/5", stream=True) as response:
        assert len(list(response.iter_lines())) == 5
    with session.get(f"{bin_url}/stream-bytes/100000?chunk_size=1000", stream=True) as response:
        assert sum(len(piece) for piece in response.iter_content(4096)) == 100_000
    for _ in range(3):
        with session.get(f"{bin_url}/stream-bytes/1000000", stream=True) as response:
            assert response.raw.read(10)
    assert session.get(f"{bin_url}/get").status_code == 200


@pytest.mark.parametrize("path", ["/redirect/3", "/relative-redirect/3", "/absolute-redirect/3"])
def test_redirects_are_requests_to_follow(session: requests.Session, bin_url: str, path: str) -> None:
    response = session.get(bin_url + path, allow_redirects=False)
    assert (response.status_code, response.is_redirect) == (302, True)
    response = session.get(bin_url + path)
    assert response.url == f"{bin_url}/get"
    assert [before.status_code for before in response.history] == [302, 302, 302]


def test_too_many_redirects_are_requests_error(session: requests.Session, bin_url: str) -> None:
    session.max_redirects = 3
    with pytest.raises(requests.TooManyRedirects):
        session.get(f"{bin_url}/redirect/5")


def test_a_redirect_changes_the_method_as_requests_says(session: requests.Session, bin_url: str) -> None:
    url = f"{bin_url}/redirect-to?url={bin_url}/anything&status_code="
    seen = session.post(f"{url}303", data=b"x").json()
    assert (seen["method"], seen["data"]) == ("GET", "")
    seen = session.post(f"{url}307", data=b"x").json()
    assert (seen["method"], seen["data"]) == ("POST", "x")


def test_cookies_are_requests_to_keep(session: requests.Session, bin_url: str) -> None:
    response = session.get(f"{bin_url}/cookies/set?a=1&b=2", allow_redirects=False)
    assert response.cookies.get_dict() == {"a": "1", "b": "2"}
    assert session.get(f"{bin_url}/cookies").json() == {"cookies": {"a": "1", "b": "2"}}
    session.get(f"{bin_url}/cookies/delete?a")
    assert session.cookies.get_dict() == {"b": "2"}
    assert mounted().get(f"{bin_url}/cookies").json() == {"cookies": {}}


def test_authentication_is_requests(session: requests.Session, bin_url: str) -> None:
    assert session.get(f"{bin_url}/basic-auth/me/secret").status_code == 401
    assert session.get(f"{bin_url}/basic-auth/me/secret", auth=("me", "secret")).json()["user"] == "me"
    digest = HTTPDigestAuth("me", "secret")
    assert session.get(f"{bin_url}/digest-auth/auth/me/secret", auth=digest).json()["user"] == "me"
    wrong = HTTPDigestAuth("me", "wrong")
    assert session.get(f"{bin_url}/digest-auth/auth/me/secret", auth=wrong).status_code == 401


@pytest.mark.parametrize(("path", "coding"), [("/gzip", "gzip"), ("/deflate", "deflate"), ("/brotli", "br")])
def test_bodies_are_decoded_by_urllib3_and_their_headers_stay(
    session: requests.Session, bin_url: str, path: str, coding: str
) -> None:
    response = session.get(bin_url + path)
    assert response.headers["content-encoding"] == coding
    assert response.json()["method"] == "GET"
    with session.get(bin_url + path, stream=True) as streamed:
        raw = streamed.raw.read()
    assert len(raw) == int(streamed.headers["content-length"])


def test_time_outs_are_by_phase(session: requests.Session, bin_url: str) -> None:
    with pytest.raises(requests.ReadTimeout) as caught:
        session.get(f"{bin_url}/delay/5", timeout=(5, 0.1))
    assert isinstance(caught.value.__cause__, errors.ReadTimeout)
    assert caught.value.request is not None
    assert session.get(f"{bin_url}/drip?duration=1&numbytes=4", timeout=0.9).content == b"****"
    with pytest.raises(ValueError, match="timeout"):
        session.get(f"{bin_url}/get", timeout=(1, 2, 3))  # type: ignore[arg-type]


def test_a_pause_in_a_streamed_body_is_what_requests_makes_of_it(session: requests.Session, bin_url: str) -> None:
    url = f"{bin_url}/drip?duration=20&numbytes=2&delay=0"
    with session.get(url, stream=True, timeout=(5, 0.3)) as response:
        pieces = response.iter_content(1)
        assert next(pieces) == b"*"
        with pytest.raises(requests.ConnectionError):
            next(pieces)


KINDS = [
    (errors.ConnectTimeout, requests.ConnectTimeout),
    (errors.ReadTimeout, requests.ReadTimeout),
    (errors.DeadlineExceeded, requests.ReadTimeout),
    (errors.ConnectError, requests.ConnectionError),
    (errors.DNSError, requests.ConnectionError),
    (errors.TLSError, requests.exceptions.SSLError),
    (errors.ReadError, requests.ConnectionError),
    (errors.RemoteProtocolError, requests.ConnectionError),
    (errors.ProxyError, requests.exceptions.ProxyError),
    (errors.UnsupportedProtocol, requests.exceptions.InvalidSchema),
    (errors.InvalidURL, requests.exceptions.InvalidURL),
    (errors.CircuitOpen, requests.ConnectionError),
]


@pytest.mark.parametrize(("ours", "theirs"), KINDS, ids=[ours.__name__ for ours, _ in KINDS])
def test_errors_are_requests(session: requests.Session, ours: type[errors.HTTPError], theirs: type[Exception]) -> None:
    with http.mock() as m:
        m.get().fail(ours)
        with pytest.raises(theirs) as caught:
            session.get("http://a.example/")
    assert type(caught.value) is theirs
    assert type(caught.value.__cause__) is ours


def test_nobody_there_is_a_connection_error(session: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:1/")


def test_a_body_that_breaks_off_is_a_chunked_encoding_error(session: requests.Session) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"half"
        raise ValueError

    session = mounted(transport=http.WSGITransport(application))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get("http://a.example/")


def test_an_error_status_is_none_until_it_is_asked_for(session: requests.Session, bin_url: str) -> None:
    response = session.get(f"{bin_url}/status/418")
    assert response.status_code == 418
    with pytest.raises(requests.HTTPError):
        response.raise_for_status()


def test_sessions_on_many_threads_share_one_pool(bin_url: str) -> None:
    adapter = HTTPAdapter()
    seen: list[int] = []

    def work() -> None:
        session = requests.Session()
        session.mount("http://", adapter)
        seen.extend(session.get(f"{bin_url}/get").status_code for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 12


def test_policies_work_below_requests() -> None:
    policy = http.Policy(retry=http.Retry(2, backoff=http.Backoff(0)))
    with http.mock() as m:
        rule = m.get("http://a.example/").reply(503).reply(json={"at": "last"})
        assert mounted(policy=policy).get("http://a.example/").json() == {"at": "last"}
    rule.assert_called(times=2)


def test_what_a_session_says_of_certificates_and_proxies_makes_a_client_each() -> None:
    adapter = HTTPAdapter()
    prepared = requests.Request("GET", "https://a.example/").prepare()
    one = adapter._client_for(prepared, True, None, {})
    assert adapter._client_for(prepared, True, None, {}) is one
    assert adapter._client_for(prepared, False, None, {}) is not one
    assert adapter._client_for(prepared, True, None, {"https": "http://u:p@proxy:3128"}) is not one
