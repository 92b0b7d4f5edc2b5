"""How turnout.http is used, for type checkers: what is marked as wrong has to be found, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

from typing_extensions import assert_type

from turnout import http
from turnout.http import Request


def one_call() -> str:
    response = http.client.get("https://a.example/", params={"a": [1, 2]}, headers={"X": "y"}, timeout=2)
    assert_type(response, http.Response)
    assert_type(response.status_code, int)
    assert_type(response.timings, http.Timings)
    response.json(parse_float=Decimal)
    http.client.post("https://a.example/", json={"a": 1}, idempotent=True, policy=http.Policy(retry=http.Retry(2)))
    http.client.get("https://a.example/", parms={"a": 1})  # wrong
    http.client.get("https://a.example/", timeout="2")  # wrong
    return response.text


async def one_awaited_call(client: http.Client) -> bytes:
    response = await client.aget("/", auth=("user", "password"), addresses=http.AddressPolicy.PUBLIC_ONLY)
    async with client.astream("GET", "/") as streamed:
        async for piece in streamed.aiter_bytes():
            assert_type(piece, bytes)
    print(client.aget("/").status_code)  # wrong
    return response.content


def by_name() -> dict[str, http.HTTPError]:
    gathered = http.client.gather(
        {name: Request("GET", "/rates", upstream=name) for name in ("a", "b")},
        deadline=1.8,
        quorum=1,
        grace=0.1,
        require=["a"],
        fallback=lambda name, error: {"offers": [], "why": str(error), "who": name.upper()},
        decode="json",
    )
    assert_type(gathered, http.Gathered[str])
    assert_type(gathered["a"].status, http.Status)
    for key, outcome in gathered.items():
        assert_type(key, str)
        assert_type(outcome.error, http.HTTPError | None)
    http.client.gather({"a": Request("GET", "/")}, require=[1])  # wrong
    http.client.gather({"a": Request("GET", "/")}, decode="yaml")  # wrong
    http.client.gather({"a": "https://a.example/"})  # wrong
    return gathered.errors


async def by_place() -> http.Json:
    gathered = await http.client.agather([Request("GET", "/")], decode="lazy", select=http.Select("/offers"))
    assert_type(gathered, http.Gathered[int])
    return gathered.merge(concat="offers", sort_by="/price", limit=10)


async def as_they_come() -> AsyncIterator[str]:
    async with http.client.as_completed({"a": Request("GET", "/")}, deadline=3) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome.key, str)
            yield outcome.key
    with http.client.as_completed([Request("GET", "/")]) as others:
        for other in others:
            assert_type(other.key, int)
    http.client.as_completed([Request("GET", "/")], quorum=2)  # wrong


def errors() -> None:
    try:
        http.client.get("/").raise_for_status()
    except http.HTTPStatusError as error:
        print(error.retryable, error.attempts, error.upstream)
    except TimeoutError:
        pass
    try:
        http.client.gather({"a": Request("GET", "/")}, require=["a"]).raise_for_errors()
    except http.GatherError as error:
        print(error.gathered.ok, error.exceptions)


def settings() -> http.Client:
    http.Retry(attempts="3")  # wrong
    http.configure(upstreams={"a": {"base_url": "https://a.example"}}, timeout=5)
    with http.deadline(2), http.detached():
        pass
    return http.Client(
        "https://a.example",
        timeout=http.Timeout(2, connect=0.5),
        limits=http.Limits(max_connections=10),
        verify=http.TLSConfig(ca="ca.pem"),
        proxy=http.Proxy.NONE,
        transport=http.WSGITransport(lambda environ, start_response: [b""]),
        retry={"attempts": 2},
    )


def testing() -> None:
    with http.mock() as m:
        rule = m.get("https://a.example/", params={"a": ...}).reply(json={"a": 1}, delay=0.1).fail(http.ConnectError)
        rule.assert_called(times=2)
        m.get("https://a.example/").fail(http.ConnectError("not a class"))  # wrong
    with http.cassette("a.json", mode="replay", speed=1):
        pass
