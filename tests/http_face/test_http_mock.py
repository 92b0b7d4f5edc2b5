"""`http.mock()` in place of the network: for every client, on every thread, below all time-outs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from turnout import http
from turnout.http import errors
from turnout.http.mock import mock
from turnout.http.policies import Timeout
from turnout.http.rules import Reply, UnexpectedRequest

RATES = "https://api.booking.example/rates"


@pytest.fixture
def client() -> http.Client:
    return http.Client()


def test_a_call_gets_the_answer_of_its_rule(client: http.Client) -> None:
    with mock() as m:
        rule = m.get(RATES, params={"city": "Rom"}).reply(json={"price": 10}, headers={"X-From": "mock"})
        response = client.get(RATES, params={"city": "Rom"})
    assert response.status_code == 200
    assert response.json() == {"price": 10}
    assert response.headers["x-from"] == "mock"
    assert response.url == f"{RATES}?city=Rom"
    rule.assert_called(times=1)
    assert m.calls[0].request.url == f"{RATES}?city=Rom"


def test_an_awaited_call_gets_one_too(client: http.Client) -> None:
    async def main() -> Any:
        async with mock() as m:
            m.post(RATES, json={"a": 1}).reply(201, text="made")
            return await client.apost(RATES, json={"a": 1})

    response = asyncio.run(main())
    assert (response.status_code, response.text) == (201, "made")


def test_every_client_of_the_process_is_answered_on_every_thread() -> None:
    statuses = []
    with mock() as m:
        m.get().reply(204)
        threads = [
            threading.Thread(target=lambda: statuses.append(http.Client().get("http://a.example").status_code))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [204] * 4


@pytest.mark.parametrize("kind", sorted(errors.BY_KIND.values(), key=lambda kind: kind.__name__))
def test_every_error_of_a_call_can_be_had(client: http.Client, kind: type[errors.HTTPError]) -> None:
    with mock() as m:
        m.get(RATES).fail(kind)
        with pytest.raises(kind, match=r"as http\.mock"):
            client.get(RATES)


def test_answers_come_in_their_turn(client: http.Client) -> None:
    with mock() as m:
        m.get(RATES).reply(503).fail(errors.ReadError, "broke").reply(200)
        assert client.get(RATES).status_code == 503
        with pytest.raises(errors.ReadError, match="broke") as caught:
            client.get(RATES)
        assert caught.value.sent
        assert [client.get(RATES).status_code for _ in range(2)] == [200, 200]


def test_a_delay_counts_against_the_time_outs(client: http.Client) -> None:
    with mock() as m:
        m.get(RATES).reply(delay=30)
        with pytest.raises(errors.ReadTimeout):
            client.get(RATES, options={"timeout": Timeout(20, first_byte=0.01)})
        with pytest.raises(errors.DeadlineExceeded):
            client.get(RATES, options={"timeout": 0.01})


def test_a_body_in_pieces_is_collected_and_its_pauses_count(client: http.Client) -> None:
    with mock() as m:
        m.get(RATES).reply(content=[b"one ", b"", b"two"])
        assert client.get(RATES).content == b"one two"


def test_a_function_is_asked(client: http.Client) -> None:
    def answer(request: Any) -> Any:
        if request.headers.get("x-fail"):
            raise errors.ConnectError("told to")
        return {"asked": request.url, "sent": request.content.decode()}

    with mock() as m:
        m.post(RATES).reply_with(answer)
        assert client.post(RATES, content=b"body").json() == {"asked": RATES, "sent": "body"}
        with pytest.raises(errors.ConnectError, match="told to"):
            client.post(RATES, headers={"X-Fail": "yes"})


def test_a_function_that_fails_fails_the_test(client: http.Client) -> None:
    def answer(request: Any) -> Any:
        raise KeyError("slip")

    def test() -> None:
        with mock() as m:
            m.get(RATES).reply_with(answer)
            client.get(RATES)

    with pytest.raises(KeyError, match="slip"):
        test()


def test_a_request_that_no_rule_expects_fails_and_fails_the_test(client: http.Client) -> None:
    def test() -> None:
        with mock(assert_all_called=False) as m:
            m.get(RATES)
            client.get("https://api.booking.example/other?key=secret")

    with pytest.raises(UnexpectedRequest, match=r"GET https://api.booking.example/other meets no rule") as caught:
        test()
    assert "the path is /other" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, errors.LocalProtocolError)


def test_it_fails_the_test_even_if_the_code_hides_it(client: http.Client) -> None:
    def test() -> None:
        with mock(), contextlib.suppress(errors.HTTPError):
            client.get(RATES)

    with pytest.raises(UnexpectedRequest):
        test()


def test_another_failure_of_the_block_is_not_hidden() -> None:
    def test() -> None:
        with mock() as m:
            m.get(RATES)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        test()


def test_a_rule_that_was_not_met_fails_the_test() -> None:
    with pytest.raises(AssertionError, match=f"no request met:\n  GET {RATES}"), mock() as m:
        m.get(RATES)
    with mock(assert_all_called=False) as m:
        m.get(RATES)


def test_blocks_can_be_nested_and_the_inner_one_answers(client: http.Client) -> None:
    with mock() as outer:
        outer.get(RATES).reply(201)
        with mock() as inner:
            inner.get(RATES).reply(202)
            assert client.get(RATES).status_code == 202
        assert client.get(RATES).status_code == 201


def test_a_mock_answers_a_gather(client: http.Client) -> None:
    with mock() as m:
        m.get("https://a.example/").reply(json=[1])
        m.get("https://b.example/").fail(errors.DNSError)
        gathered = client.gather(
            {"a": http.Request("GET", "https://a.example/"), "b": http.Request("GET", "https://b.example/")}
        )
    assert gathered.ok == {"a": [1]}
    assert {key: type(error) for key, error in gathered.errors.items()} == {"b": errors.DNSError}


def test_a_reply_can_be_made_beforehand(client: http.Client) -> None:
    with mock() as m:
        m.get(RATES).reply_with(lambda request: Reply.of(418, text="tea"))
        assert client.get(RATES).text == "tea"


def pieces() -> Any:
    yield b'{"city": '
    yield b'"Rom"}'


async def apieces() -> Any:
    for piece in pieces():
        yield piece


def test_a_request_in_pieces_is_seen_whole(client: http.Client) -> None:
    with mock() as m:
        rule = m.post(RATES, json={"city": "Rom"}).reply(201)
        assert client.post(RATES, content=pieces()).status_code == 201

        async def main() -> int:
            return (await client.apost(RATES, content=apieces())).status_code

        assert asyncio.run(main()) == 201
    rule.assert_called(times=2)
    assert m.calls[0].request.content == b'{"city": "Rom"}'


def test_a_request_in_pieces_of_a_wrong_length_is_refused_by_a_mock_too(client: http.Client) -> None:
    with mock(assert_all_called=False) as m:
        m.post(RATES).reply(201)
        with pytest.raises(errors.LocalProtocolError, match="fewer bytes"):
            client.post(RATES, content=pieces(), headers={"Content-Length": "99"})
    assert not m.calls
