"""Many calls at once, blocking and awaited: outcomes in the order of the requests, whatever becomes of each."""

from __future__ import annotations

import asyncio

import pytest

from turnout import http
from turnout.http import Status


def three(client):
    return {
        "a": http.Request("GET", "/a"),
        "b": http.Request("GET", "/b?status=500"),
        "c": http.Request("GET", "/hold"),
    }


def agathered(client, requests, **plan):
    async def gather():
        return await client.agather(requests, **plan)

    return asyncio.run(gather())


@pytest.fixture(params=["blocking", "awaited"])
def gather(request, client):
    if request.param == "blocking":
        return client.gather
    return lambda requests, **plan: agathered(client, requests, **plan)


def test_each_has_an_outcome(gather, client, upstream):
    gathered = gather(three(client), deadline=0.3)
    assert list(gathered) == ["a", "b", "c"]
    assert [outcome.status for outcome in gathered.values()] == [Status.OK, Status.HTTP_ERROR, Status.DEADLINE]
    assert gathered["a"].value["target"] == "/a"
    assert isinstance(gathered["b"].error, http.HTTPStatusError)
    assert gathered["b"].response.status_code == 500
    assert isinstance(gathered["c"].error, http.DeadlineExceeded)
    assert gathered.ok.keys() == {"a"}
    assert gathered.completion_order[:2] in (("a", "b"), ("b", "a"))
    upstream.wait_until("left", 1)


def test_a_list_has_its_places_for_keys(gather):
    gathered = gather([http.Request("GET", f"/{n}") for n in range(20)])
    assert list(gathered) == list(range(20))
    assert gathered.complete
    assert gathered[7].value["target"] == "/7"


def test_nothing_at_all(gather):
    assert dict(gather([])) == {}


def test_enough_is_enough(gather, client, upstream):
    gathered = gather({"a": http.Request("GET", "/a"), "b": http.Request("GET", "/hold")}, quorum=1)
    assert gathered["a"].ok
    assert gathered["b"].status is Status.CANCELLED
    upstream.wait_until("left", 1)


def test_a_fallback_stands_in(gather, client):
    gathered = gather(three(client), deadline=0.3, fallback=lambda key, error: [key])
    assert gathered.ok["b"] == ["b"]
    assert gathered["c"].status is Status.FALLBACK
    gathered = gather(three(client), deadline=0.3, fallback={"c": 1})
    assert gathered.ok.keys() == {"a", "c"}


def test_what_is_required_must_come(gather, client):
    with pytest.raises(http.GatherError) as raised:
        gather(three(client), deadline=1, require=["b"])
    assert raised.value.gathered["b"].status is Status.HTTP_ERROR
    with pytest.raises(ValueError, match="'d'"):
        gather(three(client), require=["d"])


def test_a_body_that_is_no_json_is_an_outcome(gather):
    gathered = gather([http.Request("GET", "/text?text=no&encoding=utf-8")])
    assert gathered[0].status is Status.DECODE
    assert gather([http.Request("GET", "/text?text=no&encoding=utf-8")], decode="text")[0].value == "no"
    assert gather([http.Request("GET", "/text?text=no&encoding=utf-8")], decode="bytes")[0].value == b"no"


def test_so_many_at_a_time(gather, upstream):
    gathered = gather([http.Request("GET", f"/{n}") for n in range(10)], max_concurrency=2)
    assert gathered.complete
    assert upstream.connections <= 2


def test_each_call_can_have_a_limit(gather):
    gathered = gather([http.Request("GET", "/hold"), http.Request("GET", "/x")], timeout=0.1)
    assert [outcome.status for outcome in gathered.values()] == [Status.TIMEOUT, Status.OK]


def test_outcomes_as_they_come(client, upstream):
    with client.as_completed(three(client), deadline=5) as completed:
        keys = {next(completed).key, next(completed).key}
        assert keys == {"a", "b"}
    upstream.wait_until("left", 1)
    assert [outcome.key for outcome in client.as_completed([http.Request("GET", "/x")])] == [0]


def test_awaited_outcomes_as_they_come(client, upstream):
    async def view():
        keys = []
        async with client.as_completed(three(client), deadline=5) as completed:
            async for outcome in completed:
                keys.append(outcome.key)
                if len(keys) == 2:
                    break
        return keys

    assert set(asyncio.run(view())) == {"a", "b"}
    upstream.wait_until("left", 1)

    async def all_of_them():
        return [outcome.value["target"] async for outcome in client.as_completed([http.Request("GET", "/x")])]

    assert asyncio.run(all_of_them()) == ["/x"]


def test_a_policy_for_the_calls_of_a_gather(client, upstream):
    retry = http.Policy(retry=http.Retry(2, backoff=http.Backoff(base=0.001, cap=0.001)))
    gathered = client.gather([http.Request("GET", "/x?status=503")], policy=retry)
    assert gathered[0].attempts == 2
    assert len(upstream.requests) == 2
