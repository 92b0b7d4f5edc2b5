"""`http.cassette()`: asks the first time, and answers from the file afterwards, for every client of the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import serve

from turnout import http


@pytest.fixture(scope="module")
def bin_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(["httpbin:app", "--interface", "wsgi"], cwd=tmp_path_factory.mktemp("httpbin")) as server:
        yield server.url


def test_what_was_asked_is_not_asked_again(bin_url: str, tmp_path: Path) -> None:
    path = tmp_path / "uuid.json"

    def ask() -> list[str]:
        client = http.Client(bin_url)
        return [client.get("/uuid", params={"api_key": "s3cret"}).json()["uuid"] for _ in range(2)]

    with http.cassette(path):
        recorded = ask()
    assert len(set(recorded)) == 2
    assert "s3cret" not in path.read_text()
    with http.cassette(path):
        assert ask() == recorded


def test_an_awaited_gather_is_recorded_with_its_failures(bin_url: str, tmp_path: Path) -> None:
    path = tmp_path / "gather.json"
    timeout = http.Timeout(5, first_byte=0.3)

    async def ask() -> dict[str, dict[str, object]]:
        requests = {"good": "/json", "bad": "/status/503", "slow": "/delay/5", "streamed": "/stream/3"}
        gathered = await http.Client(bin_url).agather(
            {name: http.Request("GET", url, timeout=timeout) for name, url in requests.items()}, decode="text"
        )
        return {key: {"status": str(one.status), "value": one.value} for key, one in gathered.items()}

    async def recorded() -> dict[str, dict[str, object]]:
        async with http.cassette(path, mode="record"):
            return await ask()

    async def replayed() -> dict[str, dict[str, object]]:
        async with http.cassette(path, mode="replay"):
            return await ask()

    first = asyncio.run(recorded())
    assert [one["status"] for one in first.values()] == ["ok", "http_error", "timeout", "ok"]
    assert asyncio.run(replayed()) == first


def test_a_streamed_answer_is_recorded_whole(bin_url: str, tmp_path: Path) -> None:
    path = tmp_path / "stream.json"

    def ask() -> bytes:
        with http.Client(bin_url).stream("GET", "/range/5000") as response:
            return b"".join(response.iter_bytes())

    with http.cassette(path):
        first = ask()
    assert len(first) == 5000
    with http.cassette(path):
        assert ask() == first


def test_what_is_not_on_it_fails_and_fails_the_block(bin_url: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    with http.cassette(path):
        http.Client(bin_url).get("/json")

    def another() -> None:
        with http.cassette(path), contextlib.suppress(http.HTTPError):
            http.Client(bin_url).get("/uuid?token=s3cret")

    with pytest.raises(http.UnexpectedRequest, match=r"/uuid is not in .*one\.json; mode='record' asks anew"):
        another()


def test_a_block_that_fails_writes_nothing(bin_url: str, tmp_path: Path) -> None:
    def test() -> None:
        with http.cassette(tmp_path / "none.json"):
            http.Client(bin_url).get("/json")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        test()
    assert not (tmp_path / "none.json").exists()


def test_a_mock_lets_calls_through_to_the_network(bin_url: str) -> None:
    with http.mock(pass_through=True) as m:
        m.get("https://a.example/").reply(204)
        m.get(f"{bin_url}/uuid").pass_through()
        client = http.Client()
        assert client.get("https://a.example/").status_code == 204
        assert client.get(f"{bin_url}/uuid").status_code == 200
        assert client.get(f"{bin_url}/json").status_code == 200


def test_what_is_let_through_goes_to_the_block_around_it(tmp_path: Path) -> None:
    with http.mock() as m:
        m.get("https://a.example/").reply(json=1)
        with http.cassette(tmp_path / "c.json"):
            assert http.Client().get("https://a.example/").json() == 1
    with http.cassette(tmp_path / "c.json"):
        assert http.Client().get("https://a.example/").json() == 1


def test_an_application_has_no_network_behind_it() -> None:
    from turnout._turnout import HttpTransport
    from turnout.http.mock import take
    from turnout.http.rules import PassThrough

    native = HttpTransport()
    calls = http.Client(transport=native).as_completed([http.Request("GET", "http://a.example/")], timeout=20)
    import threading

    def answer() -> None:
        call = native.receive()
        assert call is not None
        take(native, call[0], PassThrough())

    thread = threading.Thread(target=answer)
    thread.start()
    [outcome] = list(calls)
    thread.join()
    assert outcome.ok or isinstance(outcome.error, http.HTTPError)
    assert not outcome.ok
