"""`auth=` with a function: what it is shown, and where what it returns goes."""

from __future__ import annotations

import asyncio

import pytest

from turnout import http

A, B = "http://a.example", "http://b.example"


def test_it_is_shown_the_request_as_it_will_be_sent(upstream):
    seen = []

    def sign(request):
        seen.append((request.method, request.url, dict(request.headers), request.content))
        return {"X-Signature": "s1"}

    client = http.Client(upstream.url + "/v1", headers={"X-A": "1"}, params={"key": "k"}, auth=sign)
    sent = client.post("things", params={"p": 2}, json={"a": 1}).json()
    assert sent["headers"]["x-signature"] == "s1"
    assert seen == [
        (
            "POST",
            f"{upstream.url}/v1/things?key=k&p=2",
            {"x-a": "1", "content-type": "application/json"},
            b'{"a":1}',
        )
    ]


def test_each_way_to_call_has_it(upstream):
    client = http.Client(upstream.url, auth=lambda request: [("X-Path", request.url.rpartition("/")[2])])
    gathered = client.gather([http.Request("GET", "/one"), http.Request("GET", "/two")])
    assert [value["headers"]["x-path"] for value in gathered.ok.values()] == ["one", "two"]

    async def main():
        return (await client.aget("/three")).json()["headers"]["x-path"]

    assert asyncio.run(main()) == "three"


def test_a_call_can_have_another_or_none(upstream):
    client = http.Client(upstream.url, auth=lambda request: {"X-Who": "client"})
    assert client.get("/x").json()["headers"]["x-who"] == "client"
    assert client.get("/x", auth=lambda request: {"X-Who": "call"}).json()["headers"]["x-who"] == "call"
    assert "x-who" not in client.get("/x", auth=None).json()["headers"]
    basic = client.get("/x", auth=("me", "secret")).json()["headers"]
    assert "x-who" not in basic
    assert basic["authorization"].startswith("Basic ")


def test_it_may_add_nothing(upstream):
    assert http.Client(upstream.url, auth=lambda request: None).get("/x").status_code == 200


def test_what_it_raises_is_what_the_call_raises(upstream):
    def sign(request):
        raise LookupError("no key")

    client = http.Client(upstream.url, auth=sign)
    with pytest.raises(LookupError, match="no key"):
        client.get("/x")
    with pytest.raises(LookupError, match="no key"):
        client.gather([http.Request("GET", "/x")])
    assert upstream.requests == []


def test_it_is_no_coroutine_function(upstream):
    async def sign(request):
        return {}

    with pytest.raises(TypeError, match="coroutine function"):
        http.Client(upstream.url, auth=sign).get("/x")


def test_a_redirect_takes_it_to_no_other_origin():
    client = http.Client(auth=lambda request: {"X-Mine": "1"}, follow_redirects=True)
    with http.mock() as m:
        m.get(f"{A}/from").reply(302, headers={"Location": f"{A}/here"})
        m.get(f"{A}/here").reply(302, headers={"Location": f"{B}/to"})
        m.get(f"{B}/to").reply(200)
        assert client.get(f"{A}/from").status_code == 200
        sent = ["x-mine" in call.request.headers for call in m.calls]
    assert sent == [True, True, False]


def test_one_caller_s_answer_is_not_another_s():
    who = iter(["one", "two", "one"])
    client = http.Client(auth=lambda request: {"X-Mine": next(who)}, policy=http.Policy(cache=http.Cache()))
    with http.mock() as m:
        m.get(A).reply(200, headers={"Cache-Control": "max-age=60"})
        cached = [client.get(A).from_cache for _ in range(3)]
    assert cached == [False, False, True]
