"""A view's last day beside the day before: what is compared, in which words, and what is said where nothing can be."""

from __future__ import annotations

import time
from typing import Any

import pytest
from dashboard.conftest import PHONE, WIDE, Page
from dashboard.figures import View, period

SEARCH = "hotels.views.search"
STILL = 1_790_000_040.0
MINUS, NOTHING = "\u2212", "\u2013"
#: Pixels of the chart of the two days that were drawn on.
INK = """(() => {
        const canvas = document.querySelector('.past canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let drawn = 0;
        for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) drawn++;
        return drawn / (pixels.length / 4);
    })()"""


def compared(page: Page) -> dict[str, list[str]]:
    """The rows of the table: this day, the day before, the difference in words."""
    page.window.until("document.querySelector('.past:not([hidden]) .compared td')?.textContent")
    cells = "row => [...row.children].map(cell => cell.innerText)"
    rows = page.window.run(f"return [...document.querySelectorAll('.compared tbody tr')].map({cells})")
    return {" ".join(name.split()): cells for name, *cells in rows}


def hidden(page: Page) -> bool:
    return page.window.run("return document.querySelector('.past').hidden")


def note(page: Page) -> str:
    return page.text(".pad > .note")


def totals(view: View, seconds: int, step: int, ago: int = 0, slower: float = 1.0) -> dict[str, Any]:
    end = STILL - ago
    return period(view, end - seconds, end, step, 0.0, slower)["totals"]


def test_the_day_is_compared_with_the_day_before_in_figures_and_words(page: Page) -> None:
    page.mock.still, page.mock.slower = STILL, 1.3
    page.open()
    page.go(SEARCH)
    told = compared(page)
    assert list(told) == [
        *("Rate /s", "p50 ms", "p95 ms"),
        *("Processing ms", "Waiting for CPU ms", "Waiting for I/O ms", "Failed %"),
    ]
    now, then = (totals(page.mock.views[0], 86400, 900, ago, slower) for ago, slower in ((0, 1.3), (86400, 1.0)))
    assert told["p95 ms"][:2] == [f"{now['p95']:.0f}", f"{then['p95']:.0f}"]
    change = round(100 * (now["p95"] / then["p95"] - 1))
    assert told["p95 ms"][2].startswith("+")
    assert told["p95 ms"][2].endswith(f", {change} % slower")
    assert told["Processing ms"][2].startswith("+")
    assert told["Processing ms"][2].endswith("% more")
    assert told["Rate /s"][2] == "about the same"
    assert told["Failed %"][2] == "about the same"
    assert note(page) == ""
    assert page.window.run(f"return {INK}") > 0.1


def test_better_is_said_in_words_and_sign_too(page: Page) -> None:
    page.mock.still, page.mock.slower = STILL, 0.2
    page.open()
    page.go(SEARCH)
    told = compared(page)
    assert told["p50 ms"][2].startswith(MINUS)
    assert told["p50 ms"][2].endswith("% faster")
    assert told["Waiting for I/O ms"][2].endswith("% less")
    page.mock.slower = 4.0
    page.window.click("input[name=hours][value='21600']")
    page.window.until("document.querySelector('.compared tbody tr:nth-child(2)').innerText.includes('times as much')")


def test_the_hours_that_are_compared_can_be_chosen(page: Page) -> None:
    page.mock.still = STILL
    page.open()
    page.go(SEARCH)
    compared(page)
    assert page.mock.compared == [86400]
    page.window.click("input[name=hours][value='3600']")
    page.window.until("document.querySelector('.compared thead').innerText.includes('Last hour')")
    assert page.mock.compared == [86400, 3600]
    assert compared(page)["p50 ms"][0] == f"{totals(page.mock.views[0], 3600, 60, slower=1.3)['p50']:.1f}"
    assert "One point is 60 s" in page.text(".past .readout")


def test_a_point_of_the_chart_says_what_was_then_and_the_day_before(page: Page) -> None:
    page.open()
    page.go(SEARCH)
    compared(page)
    page.window.point(".past .chart .u-over")
    page.window.until("document.querySelector('.past .readout').textContent.includes('the day before')")
    assert "p50" in page.text(".past .readout")
    assert "stacked by state" in page.window.run(
        "return document.querySelector('.past .chart').getAttribute('aria-label')"
    )


def test_a_young_history_says_when_it_begins(page: Page) -> None:
    page.mock.oldest = time.time() - 1000
    page.open()
    page.go(SEARCH)
    told = compared(page)
    assert told["p95 ms"][1:] == [NOTHING, NOTHING]
    assert note(page).startswith("Nothing to compare with yet: what is kept begins ")
    assert page.window.run(f"return {INK}") > 0, "one step is there to be seen"


def test_without_a_history_it_is_said_how_to_keep_one(page: Page) -> None:
    page.mock.history = False
    page.open()
    page.go(SEARCH)
    page.window.until("document.querySelector('.pad > .note').textContent")
    assert "--history PATH" in note(page)
    assert hidden(page)
    assert page.mock.compared == []
    assert page.faults() == []
    # The server was started again, with one.
    page.mock.history = True
    compared(page)
    assert note(page) == ""


def test_a_view_that_nobody_asked_for_is_a_sentence_and_no_table(page: Page) -> None:
    page.may_fail = True
    page.open()
    page.window.run("location.hash = '#/view/nobody'")
    page.window.until("document.querySelector('.pad > .note')?.textContent")
    assert hidden(page)


def test_a_history_that_cannot_be_read_says_so_and_keeps_what_is_shown(page: Page) -> None:
    page.may_fail = True
    page.open()
    page.go(SEARCH)
    before = compared(page)
    page.mock.unreadable = True
    page.window.click("input[name=hours][value='3600']")
    page.window.until("document.querySelector('.pad > .note').textContent")
    assert "could not be read (the history cannot be read at this moment)" in note(page)
    assert "What is shown is from before" in note(page)
    assert compared(page) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_and_nothing_sticks_out(page: Page, scheme: str, size: tuple[int, int]) -> None:
    page.open(size, color_scheme=scheme)
    page.go(SEARCH)
    compared(page)
    assert page.faults() == []
    assert page.sticks_out() == []
    outside = page.window.run(
        "const box = document.querySelector('.past .scroll'); return box.scrollWidth - box.clientWidth"
    )
    assert outside == 0, "the differences are seen without moving the table"


def test_it_is_drawn_again_in_the_other_theme(page: Page) -> None:
    light = "getComputedStyle(document.querySelector('.swatch.before')).borderTopColor"
    colour = """(() => {
        const canvas = document.querySelector('.past canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let [sum, drawn] = [0, 0];
        for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) { drawn++; sum += pixels[at - 3]; }
        return sum / drawn;
    })()"""
    page.open(color_scheme="light")
    page.go(SEARCH)
    compared(page)
    before, line = page.window.run(f"return {colour}"), page.window.run(f"return {light}")
    page.window.click("#theme")
    page.window.click("#theme")
    page.window.until(f"Math.abs({colour} - {before}) > 5")
    assert page.window.run(f"return {light}") != line
