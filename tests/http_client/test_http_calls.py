"""One call: what is sent, what comes back, from threads and from loops."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading

import pytest

from turnout import http
from turnout.loop import new_event_loop


def test_a_blocking_call(client, upstream):
    response = client.get("/rates", params={"city": "Köln am Rhein", "day": [1, 2], "full": True, "not": None})
    assert response.status_code == 200
    assert response.is_success
    assert response.json()["target"] == "/rates?city=K%C3%B6ln+am+Rhein&day=1&day=2&full=true"
    assert response.headers["X-Twice"] == "a, b"
    assert response.headers.get_list("x-twice") == ["a", "b"]
    assert response.url.startswith(upstream.url + "/rates?city=")
    assert response.remote_addr == ("127.0.0.1", int(upstream.url.rpartition(":")[2]))
    assert response.attempts == 1
    assert response.elapsed > 0
    assert response.timings.total == response.elapsed


@pytest.mark.parametrize("method", ["get", "options", "post", "put", "patch", "delete"])
def test_every_method_has_a_blocking_and_an_awaitable_form(client, method):
    assert getattr(client, method)("/x").json()["method"] == method.upper()

    async def awaited():
        return (await getattr(client, f"a{method}")("/x")).json()["method"]

    assert asyncio.run(awaited()) == method.upper()


def test_a_head_has_no_body(client):
    assert client.head("/x").content == b""


def test_bodies(client):
    sent = client.post("/e", json={"ä": [1, 2.5, None]}).json()
    assert json.loads(sent["body"].encode("latin-1")) == {"ä": [1, 2.5, None]}
    assert sent["headers"]["content-type"] == "application/json"
    assert client.post("/e", data={"a": "1 2", "b": [3, 4]}).json()["body"] == "a=1+2&b=3&b=4"
    assert client.post("/e", content=b"raw").json()["body"] == "raw"
    assert client.post("/e", content="text").json()["body"] == "text"
    assert client.post("/e").json()["headers"].get("content-length") == "0"
    with pytest.raises(TypeError, match="given once"):
        client.post("/e", json={}, content=b"")


def test_what_a_client_fixes_a_request_replaces(upstream):
    client = http.Client(upstream.url + "/v1/", headers={"X-A": "1", "X-B": "2"}, params={"key": "k"})
    sent = client.get("things/7?q=1", headers={"x-b": "3"}, params={"p": 2}).json()
    assert sent["target"] == "/v1/things/7?q=1&key=k&p=2"
    assert sent["headers"]["x-a"] == "1"
    assert sent["headers"]["x-b"] == "3"


@pytest.mark.parametrize("path", ["../x", "/a/../../x", "a/%2e%2E/x", "."])
def test_a_path_cannot_leave_the_base(client, path):
    with pytest.raises(http.InvalidURL):
        client.get(path)


@pytest.mark.parametrize("url", ["http://h/\r\nX: y", "http://h/a b\n", "/a\x00", "http://h\t/"])
def test_a_url_with_control_characters_is_refused(url):
    with pytest.raises(http.InvalidURL):
        http.Request("GET", url)


@pytest.mark.parametrize("fields", [{"A": "b\r\nC: d"}, {"A\r\n": "b"}, {"A": b"\n"}, {"A b": "c"}, {"": "x"}])
def test_a_header_cannot_bring_another_line(fields):
    with pytest.raises(http.LocalProtocolError):
        http.Request("GET", "http://h/", headers=fields)


@pytest.mark.parametrize("fields", [{"Transfer-Encoding": "chunked"}, {"Content-Length": "7"}])
def test_whoever_sends_a_body_frames_it(fields):
    with pytest.raises(http.LocalProtocolError):
        http.Request("POST", "http://h/", headers=fields, content=b"123")


def test_user_information_becomes_a_header_and_is_not_shown(client, upstream):
    request = http.Request("GET", upstream.url.replace("//", "//us%40er:p%20w@"))
    assert "p%20w" not in request.url + repr(request)
    assert client.send(request).json()["headers"]["authorization"] == "Basic dXNAZXI6cCB3"


def test_schemes_that_cannot_be_called(client):
    for url in ("ftp://h/", "file:///etc/passwd", "javascript:alert(1)"):
        with pytest.raises(http.UnsupportedProtocol):
            client.get(url)


def test_an_error_status_is_an_answer_until_it_is_asked_for(client):
    response = client.get("/x?status=503&secret=1")
    assert response.is_server_error
    with pytest.raises(http.HTTPStatusError, match="503") as raised:
        response.raise_for_status()
    assert raised.value.response is response
    assert "secret" not in str(raised.value)
    assert client.get("/x").raise_for_status().status_code == 200


def test_nobody_listens(client):
    with pytest.raises(http.ConnectError) as raised:
        client.get("http://127.0.0.1:1/")
    assert isinstance(raised.value, ConnectionError)
    assert isinstance(raised.value.__cause__, OSError)
    assert not raised.value.sent
    assert raised.value.request.url == "http://127.0.0.1:1/"


def test_a_body_that_is_no_json(client):
    with pytest.raises(http.JSONDecodeError):
        client.get("/text?text=no&encoding=utf-8").json()


def test_text_is_in_the_encoding_that_the_answer_says(client):
    assert client.get("/text", params={"text": "Grüße", "encoding": "iso-8859-1"}).text == "Grüße"
    assert client.get("/text", params={"text": "Grüße", "encoding": "utf-8"}).text == "Grüße"


def test_requests_and_responses_travel_in_pickles(client, upstream):
    request = http.Request("POST", upstream.url + "/e", params={"a": 1}, headers={"X": "y"}, json=[1], idempotent=True)
    again = pickle.loads(pickle.dumps(request))
    assert (again.method, again.url, again.content) == ("POST", upstream.url + "/e?a=1", b"[1]")
    assert again.idempotent
    response = client.send(request)
    copy = pickle.loads(pickle.dumps(response))
    assert copy.json() == response.json()
    assert copy.timings == response.timings
    assert copy.headers == response.headers


def test_a_response_can_be_made_by_hand():
    response = http.Response(404, json={"no": 1}, headers={"X": "y"}, url="http://h/")
    assert response.json() == {"no": 1}
    assert response.is_client_error
    assert response.headers["content-type"] == "application/json"


def test_one_pool_for_threads_and_loops(client, upstream):
    async def calls():
        return [(await client.aget(f"/{n}")).status_code for n in range(3)]

    assert client.get("/").status_code == 200
    for _ in range(3):
        assert asyncio.run(calls()) == [200, 200, 200]
    loop = new_event_loop()
    assert loop.run_until_complete(calls()) == [200, 200, 200]
    loop.close()
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(http.Client(upstream.url).get("/").status_code))
    thread.start()
    thread.join()
    assert outcome == [200]


def test_many_awaited_at_once(client):
    async def calls():
        return await asyncio.gather(*[client.aget(f"/{n}") for n in range(50)])

    assert [response.json()["target"] for response in asyncio.run(calls())] == [f"/{n}" for n in range(50)]


def test_an_awaited_call_passes_for_a_coroutine(client):
    async def calls():
        task = asyncio.create_task(client.aget("/1"))
        first = await asyncio.wait_for(client.aget("/2"), 30)
        return (await task).json()["target"], first.json()["target"]

    assert asyncio.run(calls()) == ("/1", "/2")


def test_a_call_that_nobody_awaits_says_so(client, upstream):
    with pytest.warns(RuntimeWarning, match="never awaited"):
        client.aget("/x")
    assert upstream.requests == []


def test_a_call_is_awaited_once(client):
    async def twice():
        call = client.aget("/x")
        await call
        with pytest.raises(RuntimeError, match="already awaited"):
            await call

    asyncio.run(twice())


def test_a_blocking_call_does_not_block_a_loop(client):
    exceptions = pytest.importorskip("django.core.exceptions")

    async def view():
        with pytest.raises(exceptions.SynchronousOnlyOperation, match="aget"):
            client.get("/x")
        with pytest.raises(exceptions.SynchronousOnlyOperation, match="agather"):
            client.gather([http.Request("GET", "/x")])
        # In a thread it may.
        return await asyncio.to_thread(client.get, "/x")

    assert asyncio.run(view()).status_code == 200


def test_an_upstream_by_name(upstream):
    client = http.Client(upstreams={"booking": {"base_url": upstream.url + "/b", "headers": {"X-Key": "1"}}})
    sent = client.send(http.Request("GET", "/rates", upstream="booking")).json()
    assert sent["target"] == "/b/rates"
    assert sent["headers"]["x-key"] == "1"
    with pytest.raises(ValueError, match="booking"):
        client.send(http.Request("GET", "/rates", upstream="bokking"))


def test_what_is_no_option_is_an_error(client):
    with pytest.raises(TypeError, match="timeuot"):
        client.get("/x", timeuot=1)
    with pytest.raises(ValueError, match="timeuot"):
        http.Client(timeuot=1)
