"""Registers judges by the names of functions, each only while it is the function that somebody has read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from turnout.django import targets, vetting
from turnout.django.targets import Runs
from turnout.django.targets.provenance import is_djangos

log = logging.getLogger("turnout.django")

_said: set[str] = set()


def verdict(why: str) -> Runs:
    """What a call may run that blocks, and of which `why` is the reason to think that it runs foreign code."""
    return Runs.FOREIGN if why else Runs.VETTED


def register(names: dict[str, targets.Judge]) -> None:
    """From now on calls of the functions behind dotted `names` are judged. What was replaced is left alone."""
    replaced: list[str] = []
    for name, judge in names.items():
        function = _own(name, replaced)
        if function is not None:
            targets.judges(function, _once_read(name, function, judge))
    _say_replaced(replaced)


def register_nested(maker: str, names: dict[str, targets.MadeJudge]) -> None:
    """The same for functions that `maker` makes anew each time: `names` are those of their code."""
    replaced: list[str] = []
    function = _own(maker, replaced)
    _say_replaced(replaced)
    if function is None:
        return
    for code in _within(function.__code__):
        judge = names.get(code.co_name)
        if judge is not None:
            targets.judges_made(code, _made_once_read(maker, code, judge))


def _own(name: str, replaced: list[str]) -> FunctionType | None:
    """The function of that name, where it is Django's; None too where this release has none."""
    function = vetting.plain_function(vetting.find(name))
    if function is None:
        return None
    if not is_djangos(function) or f"{function.__module__}.{function.__qualname__}" != name:
        replaced.append(name)
        return None
    return function


def _say_replaced(names: list[str]) -> None:
    if len(names) == 1:
        say(f"{names[0]} is not the function that was vetted for Django {vetting.release()}")
    elif names:
        say(f"{', '.join(names)} are not the functions that were vetted for Django {vetting.release()}")


def say(why: str) -> None:
    """One line a reason in the log."""
    if why not in _said:
        _said.add(why)
        log.warning("%s: a hop that calls it counts as the project's own code", why)


def _is_read(name: str) -> bool:
    why = vetting.unvetted([name])
    if why:
        say(why)
    return not why


def _once_read(name: str, function: FunctionType, judge: targets.Judge) -> targets.Judge:
    """Reading and hashing the source takes milliseconds, so it is done for what is called, when it is first called."""

    def first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
        lasting = judge if _is_read(name) else _foreign
        targets.judges(function, lasting)
        return lasting(args, kwargs)

    return first


def _made_once_read(maker: str, code: CodeType, judge: targets.MadeJudge) -> targets.MadeJudge:
    def first(args: tuple[Any, ...], kwargs: dict[str, Any], function: FunctionType) -> Runs:
        lasting = judge if _is_read(maker) else _foreign
        targets.judges_made(code, lasting)
        return lasting(args, kwargs, function)

    return first


def _foreign(*_: Any) -> Runs:
    return Runs.FOREIGN


def _within(code: CodeType) -> Iterator[CodeType]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from _within(const)


def captured(function: FunctionType) -> dict[str, Any]:
    """What a function closes over."""
    return dict(
        zip(function.__code__.co_freevars, [cell.cell_contents for cell in function.__closure__ or ()], strict=True)
    )
