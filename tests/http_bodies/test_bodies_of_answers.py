"""Bodies on their way from an upstream to a view: decoded, bounded, read as JSON, cut and merged."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from turnout import http
from turnout._turnout import HttpJson
from turnout.http.errors import DecodingError, JSONDecodeError, ResponseTooLarge

TEXT = json.dumps([{"id": n, "name": f"hotel {n}"} for n in range(20_000)]).encode()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_coded_body_is_asked_for_and_taken_off(client: http.Client, shelf: Any, coding: str) -> None:
    body = gzip.compress(TEXT) if coding == "gzip" else zlib.compress(TEXT)
    response = client.get(shelf.put("/coded", body, Content_Encoding=coding))
    assert response.content == TEXT
    assert "content-encoding" not in response.headers
    assert shelf.asked[0]["accept-encoding"] == "gzip, deflate, br, zstd"
    assert asyncio.run(get(client, "/coded")).content == TEXT


async def get(client: http.Client, path: str) -> http.Response:
    return await client.aget(path)


def test_threads_for_large_bodies_are_nice_and_give_the_processor_away_soon(client: http.Client, shelf: Any) -> None:
    outcome = client.gather([http.Request("GET", shelf.put("/large", TEXT))])[0]
    assert outcome.ok
    threads = [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text() == "turnout-cpu\n"]
    assert threads
    for thread in threads:
        sched = thread / "sched"
        if not sched.exists():
            pytest.skip("this kernel does not say what turns a thread has")
        told = dict(line.split(":") for line in sched.read_text().splitlines()[1:] if line.count(":") == 1)
        told = {name.strip(): value.strip() for name, value in told.items()}
        assert told["prio"] == "130", "nice 10"
        if "se.slice" in told:  # Linux 6.6; it can be chosen since 6.12
            release = tuple(map(int, os.uname().release.split(".")[:2]))
            assert (told["se.slice"] == "100000") is (release >= (6, 12))


def test_what_is_broken_or_grows_too_much_is_told(client: http.Client, shelf: Any) -> None:
    with pytest.raises(DecodingError, match="ends in the middle"):
        client.get(shelf.put("/cut", gzip.compress(TEXT)[:-9], Content_Encoding="gzip"))
    with pytest.raises(ResponseTooLarge, match="500-fold"):
        client.get(shelf.put("/bomb", gzip.compress(bytes(8 << 20)), Content_Encoding="gzip"))
    outcomes = client.gather({"cut": http.Request("GET", "/cut"), "bomb": http.Request("GET", "/bomb")})
    assert {key: str(outcome.status) for key, outcome in outcomes.items()} == {"cut": "decode", "bomb": "too_large"}


def test_prices_keep_their_digits(client: http.Client, shelf: Any) -> None:
    response = client.get(shelf.put("/price", b'{"price": 12345678901234567890.10}'))
    assert response.json(parse_float=Decimal) == {"price": Decimal("12345678901234567890.10")}
    assert bytes(response.lazy()["price"]) == b"12345678901234567890.10"


def test_a_body_that_is_no_json_is_told_with_its_place(client: http.Client, shelf: Any) -> None:
    shelf.put("/broken", b'{\n "a": oops}')
    with pytest.raises(JSONDecodeError, match="a value is expected at line 2, column 7") as told:
        client.get("/broken").json()
    assert told.value.response.status_code == 200
    outcome = client.gather([http.Request("GET", "/broken")])[0]
    assert not outcome.ok
    assert isinstance(outcome.error, JSONDecodeError)


def test_text_goes_by_its_mark_before_its_type(client: http.Client, shelf: Any) -> None:
    latin = "text/plain; charset=latin-1"
    for body, text in [("é".encode("latin-1"), "é"), ("\ufeffé".encode(), "é"), ("é".encode("utf-16"), "é")]:
        assert client.get(shelf.put("/text", body, Content_Type=latin)).text == text


REQUESTS = {"booking": "/booking", "expedia": "/expedia"}
SELECT = {
    "booking": http.Select("/result", rename={"price_total": "price"}),
    "expedia": http.Select("/data/offers", deny=("x",)),
}


def merged(gathered: http.Gathered[str]) -> bytes:
    return bytes(gathered.merge(concat="offers", group_as="source", sort_by="/price", limit=2))


def test_answers_are_cut_and_merged_without_objects(client: http.Client, shelf: Any) -> None:
    shelf.put("/booking", b'{"result": [{"id": 1, "price_total": 99.90}, {"id": 2, "price_total": 10.00}]}')
    shelf.put("/expedia", b'{"data": {"offers": [{"id": 3, "price": 50.50, "x": 0}]}}')
    requests = {key: http.Request("GET", path) for key, path in REQUESTS.items()}

    async def main() -> http.Gathered[str]:
        return await client.agather(requests, decode="lazy", select=SELECT)

    for gathered in (client.gather(requests, decode="lazy", select=SELECT), asyncio.run(main())):
        assert all(isinstance(outcome.value, HttpJson) for outcome in gathered.values())
        assert (
            merged(gathered)
            == b'{"offers":[{"source":"booking","id":2,"price":10.00},{"source":"expedia","id":3,"price":50.50}]}'
        )
    plain = client.gather(requests, select=SELECT)
    assert plain.ok == {
        "booking": [{"id": 1, "price": 99.9}, {"id": 2, "price": 10.0}],
        "expedia": [{"id": 3, "price": 50.5}],
    }
