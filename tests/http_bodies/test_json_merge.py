"""Answers merged as bytes: what comes out is what doing it with dicts and lists would have given."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from turnout._turnout import HttpJson, merge_json
from turnout.http.errors import JSONDecodeError
from turnout.http.policies import Select

BOOKING = '{"result": {"hotels": [{"id": 1, "price_total": 99.90, "x": 1}, {"id": 2, "price_total": 100.10, "x": 2}]}}'
EXPEDIA = '{"data":{"offers":[{"id":3,"price":99.9},{"id":4}]}}'


def sources() -> list[tuple[str, HttpJson, Select | None]]:
    return [
        ("booking", HttpJson.parse(BOOKING), Select("/result/hotels", deny=("x",), rename={"price_total": "price"})),
        ("expedia", HttpJson.parse(EXPEDIA), Select("/data/offers")),
        ("hotels", HttpJson.parse("null"), None),
    ]


def test_many_answers_become_one_and_prices_keep_their_digits() -> None:
    also = {"report": HttpJson.parse('{"complete": true}')}
    merged = merge_json(
        sources(), concat="offers", group_as="source", sort_by="/price", descending=True, limit=3, also=also
    )
    assert bytes(merged) == (
        b'{"offers":[{"source":"booking","id":2,"price":100.10},{"source":"booking","id":1,"price":99.90},'
        b'{"source":"expedia","id":3,"price":99.9}],"report":{"complete": true}}'
    )
    assert merged.pointer("/offers/1/price").to_python(parse_float=Decimal) == Decimal("99.90")
    assert len(merged["offers"]) == 3


def test_without_concat_each_source_has_its_name() -> None:
    merged = merge_json(sources())
    assert merged.keys() == ["booking", "expedia", "hotels"]
    assert merged["booking"].to_python() == [{"id": 1, "price": 99.9}, {"id": 2, "price": 100.1}]
    assert merged["hotels"].to_python() is None
    assert bytes(merge_json([])) == b"{}"


def test_select_cuts_and_renames() -> None:
    value = HttpJson.parse(BOOKING)
    assert bytes(value.select(Select("/result/hotels/0"))) == b'{"id": 1, "price_total": 99.90, "x": 1}'
    assert bytes(value.select(Select("/result/hotels", allow=("id",)))) == b'[{"id":1},{"id":2}]'
    with pytest.raises(JSONDecodeError, match="nothing at"):
        value.select(Select("/results"))


def test_what_cannot_be_merged_is_told() -> None:
    with pytest.raises(JSONDecodeError, match='"booking" has no array'):
        merge_json([("booking", HttpJson.parse("{}"), None)], concat="offers")
    with pytest.raises(JSONDecodeError, match="need concat"):
        merge_json([], limit=1)


def by_hand(answers: dict[str, list[dict[str, Any]]], key: str, descending: bool, limit: int) -> dict[str, Any]:
    rows = [{"source": name, **row} for name, rows in answers.items() for row in rows]
    having = [row for row in rows if row.get(key) is not None]
    having.sort(key=lambda row: row[key], reverse=descending)  # which keeps the order of equal ones, too
    return {"rows": (having + [row for row in rows if row.get(key) is None])[:limit]}


@pytest.mark.parametrize("seed", range(10))
def test_answers_at_random_are_merged_as_by_hand(seed: int) -> None:
    pick = random.Random(seed)
    numbers: list[float | int | None] = [
        None,
        0,
        1,
        -1,
        1.5,
        10,
        9,
        10**20,
        10**20 + 1,
        2**53,
        2**53 + 1,
        -(10**30),
        1e-9,
    ]
    for _ in range(30):
        answers = {
            name: [{"id": pick.randrange(9), "k": pick.choice(numbers)} for _ in range(pick.randrange(8))]
            for name in ("a", "b", "c")
        }
        given = [(name, HttpJson.parse(json.dumps({"rows": rows})), None) for name, rows in answers.items()]
        descending, limit = pick.random() < 0.5, pick.randrange(30)
        merged = merge_json(given, concat="rows", group_as="source", sort_by="/k", descending=descending, limit=limit)
        assert merged.to_python() == by_hand(answers, "k", descending, limit)
