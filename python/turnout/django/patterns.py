"""Python regular expressions of a URLconf, in the syntax of Rust's `regex` crate.

Only the set of matched paths counts (which groups matched is Django's affair), so backtracking order may differ, except
in the pattern of an include: its match decides what is left for the patterns inside. `prefix` therefore accepts only
expressions that can end at one place. What has no equivalent there raises `Untranslatable`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as sre_parse  # type: ignore[attr-defined]
else:
    import sre_constants as sre
    import sre_parse

# str.isspace(), str.isdigit() for \d (category Nd) and str.isalnum() in the words of Rust's regex.
_CLASSES = {
    sre.CATEGORY_DIGIT: r"\p{Nd}",
    sre.CATEGORY_SPACE: r"\t-\r\x1c-\x20\x85\xa0\p{Zs}\x{2028}\x{2029}",
    sre.CATEGORY_WORD: r"\p{L}\p{N}_",
}
_NEGATED = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
}
_ASCII_CLASSES = {
    sre.CATEGORY_DIGIT: "0-9",
    sre.CATEGORY_SPACE: r"\t-\r\x20",
    sre.CATEGORY_WORD: "0-9A-Za-z_",
}
_TESTS = {
    sre.CATEGORY_DIGIT: lambda char: re.match(r"\d", char) is not None,
    sre.CATEGORY_SPACE: lambda char: re.match(r"\s", char) is not None,
    sre.CATEGORY_WORD: lambda char: re.match(r"\w", char) is not None,
}
# Rust compiles a counted repeat by copying it; beyond this Python decides.
_MAX_COUNT = 1000


class Untranslatable(Exception):
    """The expression means something that Rust's regex does not have."""


def endpoint(pattern: re.Pattern[str], *, whole: bool) -> str:
    """What the last pattern of a route matches; `whole`: by fullmatch, else by search, which need not reach the end."""
    items = _parse(pattern)
    anchored = _starts_at_beginning(items)
    body, ended = _body(items[anchored:], pattern.flags, fullmatch=whole)
    tail = "" if whole or ended else r"(?s:.*)"
    if whole:
        return body
    return f"{'' if anchored else '(?s:.*?)'}{body}{tail}"


def prefix(pattern: re.Pattern[str]) -> str:
    """What the pattern of an include matches, if it can end at one place only."""
    items = _parse(pattern)
    if not _starts_at_beginning(items):
        if items:
            raise Untranslatable("an include that is searched for")
        return ""
    items = items[1:]
    if pattern.flags & re.IGNORECASE:
        raise Untranslatable("an include that ignores case")
    _check_one_end(items)
    return _sequence(items, pattern.flags)


def _parse(pattern: re.Pattern[str]) -> Sequence[Any]:
    if pattern.flags & (re.MULTILINE | re.LOCALE):
        raise Untranslatable("a flag without an equivalent")
    return list(sre_parse.parse(pattern.pattern))


def _starts_at_beginning(items: Sequence[Any]) -> bool:
    return bool(items) and items[0][0] is sre.AT and items[0][1] in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)


def _body(items: Sequence[Any], flags: int, *, fullmatch: bool) -> tuple[str, bool]:
    """The expression without its anchor at the end, as that anchor; and whether there was one."""
    if items and items[-1][0] is sre.AT and items[-1][1] in (sre.AT_END, sre.AT_END_STRING):
        # `$` lets one newline stand behind it; under fullmatch nothing may.
        newline = "" if fullmatch or items[-1][1] is sre.AT_END_STRING else r"\n?"
        return _sequence(items[:-1], flags) + newline, True
    return _sequence(items, flags), False


def _sequence(items: Sequence[Any], flags: int) -> str:
    return "".join(_item(op, argument, flags) for op, argument in items)


def _item(op: Any, argument: Any, flags: int) -> str:
    if op is sre.LITERAL:
        return _cased(_char(argument), flags)
    if op is sre.NOT_LITERAL:
        return _cased(f"[^{_char(argument)}]", flags)
    if op is sre.ANY:
        return "(?s:.)" if flags & re.DOTALL else "."
    if op is sre.IN:
        return _cased(_set(argument, flags), flags)
    if op is sre.BRANCH:
        return "(?:" + "|".join(_sequence(branch, flags) for branch in argument[1]) + ")"
    if op is sre.SUBPATTERN:
        _, add, remove, inner = argument
        if (add | remove) & ~re.IGNORECASE & ~re.UNICODE:
            raise Untranslatable("a flag inside the expression")
        return f"(?:{_sequence(inner, (flags | add) & ~remove)})"
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, inner = argument
        return f"(?:{_sequence(inner, flags)}){_count(low, high)}"
    raise Untranslatable(str(op))


def _cased(text: str, flags: int) -> str:
    return f"(?i:{text})" if flags & re.IGNORECASE else text


def _char(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\x{{{code:x}}}"


def _set(items: Sequence[Any], flags: int) -> str:
    parts: list[str] = []
    for op, argument in items:
        if op is sre.NEGATE:
            parts.append("^")
        elif op is sre.LITERAL:
            parts.append(_char(argument))
        elif op is sre.RANGE:
            parts.append(f"{_char(argument[0])}-{_char(argument[1])}")
        elif op is sre.CATEGORY:
            classes = _ASCII_CLASSES if flags & re.ASCII else _CLASSES
            if argument in _NEGATED:
                parts.append(f"[^{classes[_NEGATED[argument]]}]")
            else:
                parts.append(classes[argument])
        else:
            raise Untranslatable(str(op))
    return f"[{''.join(parts)}]"


def _count(low: int, high: int) -> str:
    unbounded = high is sre.MAXREPEAT or high == sre.MAXREPEAT
    if low > _MAX_COUNT or (not unbounded and high > _MAX_COUNT):
        raise Untranslatable("a large count")
    return {(0, True): "*", (1, True): "+"}.get((low, unbounded)) or (
        f"{{{low},}}" if unbounded else f"{{{low},{high}}}"
    )


# --- expressions that can end at one place only ---


def _check_one_end(items: Sequence[Any]) -> None:
    """A sequence of single characters, and repeats of a class that stop because the next character is not in it."""
    flat = list(_flatten(items))
    for position, (op, argument) in enumerate(flat):
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            continue
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            low, high, inner = argument
            if len(inner) != 1 or inner[0][0] not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN):
                raise Untranslatable("an include with a repeated group")
            if low == high:
                continue
            following = flat[position + 1] if position + 1 < len(flat) else None
            if following is None or following[0] is not sre.LITERAL:
                raise Untranslatable("an include that can end at several places")
            if _contains(inner[0], chr(following[1])):
                raise Untranslatable("an include that can end at several places")
            continue
        raise Untranslatable(f"an include with {op}")


def _flatten(items: Sequence[Any]) -> Any:
    for op, argument in items:
        if op is sre.SUBPATTERN and not argument[1] and not argument[2]:
            yield from _flatten(argument[3])
        else:
            yield op, argument


def _contains(item: Any, char: str) -> bool:
    op, argument = item
    if op is sre.LITERAL:
        return argument == ord(char)
    if op is sre.NOT_LITERAL:
        return argument != ord(char)
    negated = False
    found = False
    for part, value in argument:
        if part is sre.NEGATE:
            negated = True
        elif part is sre.LITERAL:
            found |= value == ord(char)
        elif part is sre.RANGE:
            found |= value[0] <= ord(char) <= value[1]
        elif value in _NEGATED:
            found |= not _TESTS[_NEGATED[value]](char)
        else:
            found |= _TESTS[value](char)
    return found != negated
