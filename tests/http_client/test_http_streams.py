"""Bodies that come in pieces, in both directions."""

from __future__ import annotations

import asyncio
import io

import pytest

WHOLE = "".join(f"piece {n}\n" for n in range(5)).encode()


def test_an_answer_in_pieces(client):
    with client.stream("GET", "/pieces?count=5") as response:
        assert response.status_code == 200
        with pytest.raises(RuntimeError, match="still coming"):
            _ = response.content
        assert b"".join(response.iter_bytes()) == WHOLE
        with pytest.raises(RuntimeError, match="in pieces"):
            _ = response.content
    with client.stream("GET", "/pieces?count=5") as response:
        assert list(response.iter_lines()) == [f"piece {n}" for n in range(5)]
    with client.stream("GET", "/pieces?count=5") as response:
        assert [len(piece) for piece in response.iter_bytes(chunk_size=17)] == [17, 17, 6]
    with client.stream("GET", "/pieces?count=5") as response:
        assert response.read() == WHOLE
        assert response.text == WHOLE.decode()


def test_an_awaited_answer_in_pieces(client):
    async def read():
        async with client.astream("GET", "/pieces?count=5") as response:
            assert b"".join([piece async for piece in response.aiter_bytes()]) == WHOLE
        async with client.astream("GET", "/pieces?count=5") as response:
            assert [line async for line in response.aiter_lines()] == [f"piece {n}" for n in range(5)]
        async with client.astream("GET", "/pieces?count=5") as response:
            assert await response.aread() == WHOLE
            assert [piece async for piece in response.aiter_bytes()] == [WHOLE]
        async with await client.asend(
            __import__("turnout").http.Request("GET", "/pieces?count=2"), stream=True
        ) as response:
            assert (await response.aread()).count(b"\n") == 2

    asyncio.run(read())


def test_a_response_that_is_closed_early(client, upstream):
    response = client.stream("GET", "/pieces?count=100000")
    next(response.iter_bytes())
    response.close()
    with pytest.raises(RuntimeError, match="closed"):
        response.read()
    assert client.get("/x").status_code == 200


def test_a_whole_answer_can_be_read_as_one_in_pieces(client):
    response = client.get("/pieces?count=5")
    assert list(response.iter_bytes()) == [WHOLE]
    assert response.content == WHOLE
    assert response.read() == WHOLE


def pieces():
    yield b"one "
    yield b""
    yield b"two"


async def apieces():
    yield b"one "
    await asyncio.sleep(0)
    yield b"two"


@pytest.mark.parametrize("content", [pieces, lambda: [b"one ", b"two"], lambda: io.BytesIO(b"one two")])
def test_a_request_in_pieces(client, content):
    sent = client.post("/e", content=content()).json()
    assert sent["body"] == "one two"
    assert sent["headers"]["transfer-encoding"] == "chunked"

    async def awaited():
        return (await client.apost("/e", content=content())).json()["body"]

    assert asyncio.run(awaited()) == "one two"


def test_an_awaited_request_pulls_from_an_async_iterable(client):
    async def awaited():
        return (await client.apost("/e", content=apieces())).json()["body"]

    assert asyncio.run(awaited()) == "one two"
    with pytest.raises(TypeError, match="async iterable"):
        client.post("/e", content=apieces())


def test_a_request_in_pieces_of_a_known_length(client):
    sent = client.post("/e", content=pieces(), headers={"Content-Length": "7"}).json()
    assert sent["body"] == "one two"
    assert sent["headers"]["content-length"] == "7"


class Broken(Exception):
    pass


def broken():
    yield b"one"
    raise Broken("here")


async def abroken():
    yield b"one"
    raise Broken("here")


def test_what_an_iterator_raises_is_what_the_call_raises(client):
    with pytest.raises(Broken):
        client.post("/e", content=broken())

    async def awaited(content):
        with pytest.raises(Broken):
            await client.apost("/e", content=content)

    asyncio.run(awaited(broken()))
    asyncio.run(awaited(abroken()))
    assert client.get("/x").status_code == 200
