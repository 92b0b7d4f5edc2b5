"""What views of tests/projects/waits_site waited for, and where in their code: shared by the tests of tests/states."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Serving, serve
from wire import get

SITE = Path(__file__).resolve().parent / "projects" / "waits_site"


@contextmanager
def waiting_with(*modules: str, args: tuple[str, ...] = (), **environment: str) -> Iterator[Serving]:
    """The site with the views of these modules."""
    path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "WAITS_WITH": " ".join(modules), **environment}
    with serve(["waits_asgi:application", *args], cwd=SITE, env=environment) as serving:
        yield serving


def figures(site: Serving) -> dict:
    return json.loads(get(site.url, "/figures/").body)


def ask(site: Serving, view: str, query: str = "") -> dict[str, float]:
    """Ask `module.view` for its answer: the seconds that it waited, by kind."""
    answer = get(site.url, f"/{view.replace('.', '/')}/{query and '?' + query}")
    assert answer.status == 200, (answer, site.log)
    return json.loads(answer.body)


def waits(site: Serving, view: str, requests: int = 1) -> list[tuple[str, str, str, int]]:
    """Kind, address, place of code and number of calls, once so many requests of that view have ended."""
    until = time.monotonic() + 20
    while (found := figures(site))["requests"].get(view, 0) < requests:
        assert time.monotonic() < until, found
    # What threads were seen to wait for, where no call said so, is shown by test_reasons.py.
    told = [row for row in found["waits"] if row[0] == view and row[1] in ("db", "http", "cache")]
    return [(kind, address, at, calls) for _, kind, address, at, calls, *_ in told]


def by_line(site: Serving, view: str, requests: int = 1) -> dict[str, dict[str, int]]:
    """By kind and address: how many calls each line of the view made. Without what no line of the project's made."""
    found: dict[str, dict[str, int]] = {}
    for kind, address, at, calls in waits(site, view, requests):
        if at != "other" and not at.endswith(" warm"):
            lines = found.setdefault(f"{kind} {address}", {})
            where = at.partition(" ")[0]
            lines[where] = lines.get(where, 0) + calls
    return found


def code_of(view: str) -> Iterator[tuple[str, str]]:
    """The lines of `module.view`: `file:line`, and the text."""
    module, _, function = view.rpartition(".")
    inside = False
    for number, text in enumerate((SITE / f"{module}.py").read_text(encoding="utf-8").splitlines(), 1):
        if "def " in text and not text.startswith(" "):
            inside = f"def {function}(" in text
        if inside:
            yield f"{module}.py:{number}", text


def marked(view: str) -> dict[str, int]:
    """How many calls each line of `module.view` says that it makes."""
    marks = ((place, text.rpartition("# waits ")[2]) for place, text in code_of(view))
    found = {place: int(mark) for place, mark in marks if mark.isdigit()}
    assert found, f"{view} has no line that waits"
    return found


def line(view: str) -> str:
    """The place of code in `module.view` that says that it waits, as it should be told."""
    return f"{_line_that(view, 'waits')} {view.rpartition('.')[2]}"


def queues(site: Serving, view: str) -> list[tuple[str, str, int, float]]:
    """What was noticed of a view's waiting for connections: where in its code, for which pool, how often, seconds."""
    waits(site, view)
    found = [tuple(row[1:]) for row in figures(site)["findings"] if row[0] == "pool-queue"]
    return [(place, what, count, worst / 1e9) for of, place, what, count, worst, _ in found if of == view]


def queueing(view: str) -> str:
    """The line in `module.view` that says that it queues."""
    return _line_that(view, "queues")


def _line_that(view: str, does: str) -> str:
    for place, text in code_of(view):
        if text.endswith(f"# {does}"):
            return place
    raise AssertionError(f"{view} has no line that {does}")
