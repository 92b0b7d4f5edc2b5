"""JSON as turnout reads it: the same objects as `json.loads`, whatever the document, and never all at once."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import math
import pickle
import random
import weakref
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from turnout import http
from turnout._turnout import HttpJson, HttpJsonSteps
from turnout.http.errors import JSONDecodeError
from turnout.loop import new_event_loop

# Valid, and each a trap of its own. RFC 8259 by section, and what parsers were found to get wrong.
VALID = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "1.5",
    "1E5",
    "1e+5",
    "1e-5",
    "0e0",
    "0E+0",
    "123.456e-789",
    "1e400",
    "-1e400",
    "20e1",
    "1.0000000000000002",
    "0.1",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1" * 4300,
    "-" + "9" * 100,
    "0." + "3" * 800,
    "1" * 400 + ".5",
    '""',
    '"a"',
    '" "',
    '"\u007f"',
    '"\u2028\u2029"',
    '"é"',
    '"€"',
    '"😀"',
    '"\uffff"',
    '"\\""',
    '"\\\\"',
    '"\\/"',
    '"\\b\\f\\n\\r\\t"',
    '"\\u0000"',
    '"\\u00e9\\u20AC"',
    '"\\ud83d\\ude00"',
    '"\\uD83D\\uDE00x"',
    '"\\ud83d"',
    '"\\ude00"',
    '"\\ude00\\ud83d"',
    '"\\ud83d\\u0041"',
    '"\\ud83d\\ud83d\\ude00"',
    '"x\\ud83d"',
    '"\\\\u0041"',
    '"' + "x" * 5000 + '"',
    '"' + "é" * 5000 + '"',
    '"' + "\\n" * 5000 + '"',
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[[]]",
    "[{}]",
    "[[],[]]",
    "[1]",
    "[1,2]",
    "[null]",
    " [1 , 2\n,\t3\r] ",
    '{"":0}',
    '{"a":1}',
    '{"a":1,"b":2}',
    '{"a":1,"a":2}',
    '{"b":1,"a":2,"b":3}',
    '{"a":{"a":{"a":[]}}}',
    '{"\\u0061":1}',
    '{"a\\u0000b":1}',
    '{"a":[{},{"b":[]}]}',
    '{"\\ud83d":1}',
    "[" * 200 + "]" * 200,
    '{"a":' * 199 + "[]" + "}" * 199,
    "[" + ",".join("[]" for _ in range(300)) + "]",
    json.dumps({"x" * n: n for n in range(120)}),
    json.dumps([{"id": n, "name": f"n{n}"} for n in range(300)]),
    json.dumps(list(range(10000))),
    json.dumps([0.5] * 5000 + [[1]] * 5000 + ["a"] * 5000),
    json.dumps({str(n): n for n in range(5000)}),
]

# Neither RFC 8259 nor `json.loads` without its extensions has them.
INVALID = [
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1,,2]",
    "[1 2]",
    "[1}",
    "{1}",
    "[1]]",
    "[]]",
    "{}}",
    "{]",
    '{"a"}',
    '{"a":}',
    '{"a" 1}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a":1,,"b":2}',
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    '{"a":1]',
    "nul",
    "nulll",
    "Null",
    "tru",
    "True",
    "falsy",
    "undefined",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "[NaN]",
    "+1",
    "01",
    "-01",
    "00",
    "-",
    "--1",
    "1.",
    ".5",
    "-.5",
    "1.e5",
    "1e",
    "1e+",
    "1e1.5",
    "1E",
    "0x10",
    "1_000",
    "1 000",
    "1a",
    "0e",
    "\u0661",
    '"',
    '"a',
    '"\\',
    '"\\"',
    '"\\x"',
    '"\\u"',
    '"\\u12"',
    '"\\u123g"',
    '"\\U00000041"',
    '"\\ud83d\\u"',
    '"\n"',
    '"\t"',
    '"\x00"',
    '"\x1f"',
    "'a'",
    '"a" "b"',
    '"a",',
    "1,",
    "[1]x",
    "{}x",
    "nullnull",
    "/**/1",
    "1//",
    "\ufeff\ufeff1",
    "\u00a01",
    "\x0b1",
    "\x0c1",
    "[1\u2028]",
    "[" * 201 + "]" * 201,
    "[" * 100000,
    '{"a":' * 100000,
    "\x00",
    "1\x00",
]


def same(ours: Any, theirs: Any) -> bool:
    """Equal in value, type and order."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        return ours == theirs and math.copysign(1, ours) == math.copysign(1, theirs)
    return bool(ours == theirs)


@pytest.mark.parametrize("document", VALID, ids=lambda document: document[:30].encode("unicode_escape").decode())
def test_what_is_valid_is_what_json_loads_makes_of_it(document: str) -> None:
    ours = HttpJson.parse(document.encode()).to_python()
    assert same(ours, json.loads(document))
    exact = HttpJson.parse(document).to_python(parse_float=Decimal)
    assert same(exact, json.loads(document, parse_float=Decimal)) or "1e400" in document


@pytest.mark.parametrize("document", INVALID, ids=lambda document: document[:30].encode("unicode_escape").decode())
def test_what_is_not_json_is_refused(document: str) -> None:
    with pytest.raises(JSONDecodeError, match=r"line \d+, column \d+"):
        HttpJson.parse(document)


@pytest.mark.parametrize(
    "document", [b"\xff", b'"\xff"', b'["\xc3"]', b'"\xed\xa0\x80"', b"\xff\xfe1\x00", b'"\xf5\x80\x80\x80"']
)
def test_what_is_not_utf8_is_refused(document: bytes) -> None:
    with pytest.raises(JSONDecodeError, match="UTF-8"):
        HttpJson.parse(document)


def test_a_fault_is_told_by_line_and_column() -> None:
    with pytest.raises(JSONDecodeError) as refused:
        HttpJson.parse('{\n  "é": tru\n}')
    assert str(refused.value) == "the upstream's body is not JSON: a value is expected at line 2, column 8"
    assert isinstance(refused.value, ValueError)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert HttpJson.parse(b"\xef\xbb\xbf[1]").to_python() == [1]


def test_an_integer_of_too_many_digits_is_refused_as_by_python() -> None:
    assert HttpJson.parse(b"-" + b"1" * 4300).to_python() == -int("1" * 4300)
    for digits in (b"1" * 4301, b"-" + b"1" * 4301):
        with pytest.raises(JSONDecodeError, match="more than 4300 digits at line 1, column 2"):
            HttpJson.parse(b"[" + digits + b"]")


def test_parse_float_sees_the_text_and_its_errors_come_through() -> None:
    seen: list[str] = []
    assert HttpJson.parse("[1, 1.10, 1E2, -0.0]").to_python(parse_float=lambda text: seen.append(text)) == [
        1,
        None,
        None,
        None,
    ]
    assert seen == ["1.10", "1E2", "-0.0"]

    def refuse(text: str) -> None:
        raise LookupError(text)

    with pytest.raises(LookupError, match=r"1\.5"):
        HttpJson.parse('{"a": [1.5]}').to_python(parse_float=refuse)


class Maker:
    """Documents at random, with the white space and the spellings that JSON allows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def space(self) -> str:
        return "".join(self.random.choices(" \n\r\t", k=self.random.choice([0, 0, 0, 1, 3])))

    def string(self) -> str:
        pieces = [
            "a",
            "Z9",
            " ",
            "é",
            "€",
            "😀",
            '\\"',
            "\\\\",
            "\\n",
            "\\u0041",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\/",
            "x" * 9,
            "key",
        ]
        return '"' + "".join(self.random.choices(pieces, k=self.random.randrange(6))) + '"'

    def number(self) -> str:
        pick = self.random
        whole = pick.choice(["0", str(pick.randrange(1, 10)), str(pick.randrange(10 ** pick.randrange(1, 25)))])
        fraction = pick.choice(["", "", "." + str(pick.randrange(10**9)).zfill(pick.randrange(1, 12))])
        power = pick.choice(["", "", pick.choice("eE") + pick.choice(["", "+", "-"]) + str(pick.randrange(30))])
        return pick.choice(["", "-"]) + whole + fraction + power

    def value(self, depth: int) -> str:
        kind = self.random.randrange(8 if depth else 5)
        if kind < 2:
            return self.number()
        if kind == 2:
            return self.string()
        if kind < 5:
            return self.random.choice(["null", "true", "false"])
        length = self.random.choice([0, 1, 2, 5, 20]) if depth > 3 else self.random.randrange(4)
        if kind == 5:
            inside = [self.string() + self.space() + ":" + self.value(depth - 1) for _ in range(length)]
        else:
            inside = [self.value(depth - 1) for _ in range(length)]
        text = ",".join(self.space() + each + self.space() for each in inside) or self.space()
        return "{" + text + "}" if kind == 5 else "[" + text + "]"


@pytest.mark.parametrize("seed", range(20))
def test_documents_at_random_are_what_json_loads_makes_of_them(seed: int) -> None:
    maker = Maker(seed)
    for _ in range(100):
        document = maker.space() + maker.value(6) + maker.space()
        value = HttpJson.parse(document.encode())
        assert same(value.to_python(), json.loads(document)), document
        exact = value.to_python(parse_float=Decimal)
        assert same(exact, json.loads(document, parse_float=Decimal)), document


@pytest.mark.parametrize("seed", range(20))
def test_broken_documents_at_random_are_judged_as_by_json_loads(seed: int) -> None:
    maker = Maker(seed)

    def refuse(word: str) -> None:
        raise ValueError(word)

    for _ in range(100):
        document = list(maker.value(4))
        document[maker.random.randrange(len(document))] = maker.random.choice('"\\[]{}:,0eE.-tnu x\x01')
        text = "".join(document)
        try:
            theirs = json.loads(text, parse_constant=refuse)
        except ValueError:
            with pytest.raises(JSONDecodeError):
                HttpJson.parse(text.encode())
        else:
            assert same(HttpJson.parse(text.encode()).to_python(), theirs), text


#: Takes many times half a millisecond on any machine.
LARGE = json.dumps(
    [{"id": n, "name": f"hotel {n}", "tags": ["a", n / 7, None], "x": {"y": [n] * 5}} for n in range(60_000)]
)


def test_a_large_value_is_made_in_steps() -> None:
    steps = HttpJson.parse(LARGE).ato_python()
    count, value = 0, None
    while value is None:
        try:
            assert next(steps) is None
        except StopIteration as stop:
            value = stop.value
        count += 1
    assert value == json.loads(LARGE)
    assert count > 5
    with pytest.raises(RuntimeError, match="already awaited"):
        next(steps)


def test_the_loop_turns_while_a_large_value_is_made() -> None:
    async def main() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(turn())
        value = await HttpJson.parse(LARGE).ato_python()
        assert len(value) == 60_000
        beside.cancel()
        return turns

    assert asyncio.run(main()) > 5


def test_a_step_ends_early_when_somebody_else_wants_the_loop() -> None:
    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()

        def steps(wanted: bool) -> int:
            count = 0
            for _ in HttpJson.parse(LARGE).ato_python():
                count += 1
                if wanted:
                    # Nothing takes it while this counts: from here on every step finds it.
                    loop.call_soon_threadsafe(lambda: None)
            return count

        return sum(steps(False) for _ in range(3)), sum(steps(True) for _ in range(3))

    loop = new_event_loop()
    try:
        whole, short = loop.run_until_complete(main())
    finally:
        loop.close()
    assert short > whole > 5


def test_a_making_that_is_cancelled_stops() -> None:
    async def main() -> None:
        steps = HttpJson.parse(LARGE).ato_python()
        task = asyncio.ensure_future(waiting(steps))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(RuntimeError, match="already awaited"):
            next(steps)

    async def waiting(steps: HttpJsonSteps) -> Any:
        return await steps

    asyncio.run(main())


def test_a_value_says_what_it_is() -> None:
    value = HttpJson.parse(b' {"a": [1, 2.50, "x"], "b": null} ')
    assert value.type == "object"
    assert len(value) == 2
    assert list(value) == value.keys() == ["a", "b"]
    assert "a" in value
    assert "c" not in value
    assert 1 not in value
    assert [str(each) for each in value["a"]] == ["1", "2.50", '"x"']
    assert str(value["a"][-1]) == '"x"'
    assert bytes(value) == b'{"a": [1, 2.50, "x"], "b": null}'
    assert value.nbytes == len(bytes(value))
    assert value["b"].type == "null"
    assert bool(value["b"])
    assert repr(value["a"]) == "<JSON array of 14 bytes>"
    assert value.pointer("/a/1").to_python(parse_float=Decimal) == Decimal("2.50")
    assert pickle.loads(pickle.dumps(value["a"])).to_python() == [1, 2.5, "x"]


def test_what_is_not_there_is_told_as_dicts_and_lists_do() -> None:
    value = HttpJson.parse('{"a": [1]}')
    with pytest.raises(KeyError, match="'c'"):
        value["c"]
    with pytest.raises(KeyError, match="/a/7"):
        value.pointer("/a/7")
    for position in (1, -2):
        with pytest.raises(IndexError):
            value["a"][position]
    with pytest.raises(TypeError, match="array has no names"):
        value["a"]["x"]
    with pytest.raises(TypeError, match="object has no positions"):
        value[0]
    for missing in (len, iter, lambda number: number.keys(), lambda number: "x" in number):
        with pytest.raises(TypeError, match="number"):
            missing(value["a"][0])
    with pytest.raises(JSONDecodeError, match="pointer"):
        value.pointer("a")


def containers(value: Any) -> Iterator[Any]:
    """All dicts and lists in it, itself included."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from containers(member)
    elif isinstance(value, list):
        yield value
        for element in value:
            yield from containers(element)


# More than one slice of it, lists of more than what is kept aside, and what has nothing in it.
MANY = json.dumps({"offers": [{"rooms": [1, 2], "none": [], "empty": {}, "flat": {"a": 1}} for _ in range(9000)]})


def test_the_collector_sees_what_it_would_see_of_json_loads() -> None:
    async def main() -> Any:
        return await HttpJson.parse(MANY).ato_python()

    ours, theirs = asyncio.run(main()), json.loads(MANY)
    assert ours == theirs
    assert [gc.is_tracked(one) for one in containers(ours)] == [gc.is_tracked(one) for one in containers(theirs)]


class Mark:
    """Something that tells when it is gone."""


def test_a_cycle_through_a_value_of_a_gather_is_found(client: http.Client, shelf: Any) -> None:
    shelf.put("/many", MANY.encode())

    async def main() -> weakref.ref[Mark]:
        found = await client.agather([http.Request("GET", "/many")])
        value = found.ok[0]
        value["offers"][7]["rooms"].append(value)
        value["mark"] = mark = Mark()
        return weakref.ref(mark)

    gone = asyncio.run(main())
    gc.collect()
    assert gone() is None


def test_large_values_leave_one_in_a_turn_of_the_loop(client: http.Client, shelf: Any) -> None:
    shelf.put("/many", MANY.encode())

    async def main() -> list[int]:
        found = await client.agather([http.Request("GET", "/many")] * 5)
        marks = []
        for value in found.ok.values():
            value["mark"] = mark = Mark()
            marks.append(weakref.ref(mark))
        del found, value, mark
        left = []
        while not left or left[-1]:
            await asyncio.sleep(0)
            left.append(sum(mark() is not None for mark in marks))
        return left

    left = asyncio.run(main())
    assert left[-1] == 0
    assert all(before - after <= 1 for before, after in itertools.pairwise(left)), left


def test_a_long_list_that_nobody_has_is_gone_and_another_is_whole(client: http.Client, shelf: Any) -> None:
    shelf.put("/many", MANY.encode())

    async def main() -> tuple[Any, list[weakref.ref[Mark]]]:
        found = await client.agather([http.Request("GET", "/many")] * 2)
        kept, other = (value["offers"] for value in found.ok.values())
        marks = [Mark(), Mark()]
        other.insert(0, marks[0])
        other.append(marks[1])
        gone = [weakref.ref(mark) for mark in marks]
        del found, other, marks
        while any(mark() is not None for mark in gone):
            await asyncio.sleep(0)
        return kept, gone

    kept, _ = asyncio.run(main())
    assert kept == json.loads(MANY)["offers"]


def test_large_values_of_a_loop_that_has_ended_are_gone(client: http.Client, shelf: Any) -> None:
    shelf.put("/many", MANY.encode())
    loop = asyncio.new_event_loop()

    async def main() -> list[weakref.ref[Mark]]:
        found = await client.agather([http.Request("GET", "/many")] * 5)
        marks = [Mark() for _ in found]
        for value, mark in zip(found.ok.values(), marks, strict=True):
            value["mark"] = mark
        return [weakref.ref(mark) for mark in marks]

    try:
        marks = loop.run_until_complete(main())
    finally:
        loop.close()
    assert [mark() for mark in marks] == [None] * 5
