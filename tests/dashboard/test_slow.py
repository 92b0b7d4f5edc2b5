"""Slow requests: the list, the picture of one, and what the page of a view says of its calls and its neighbours."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from dashboard.conftest import PHONE, WIDE, Page
from dashboard.figures import HOSTILE
from demo.webdriver import DOWN, ESCAPE, UP

SEARCH, BASKET, EVENTS = "hotels.views.search", "shop.views.basket", "feeds.views.events"


def kept(page: Page) -> list[dict[str, Any]]:
    """Slow requests as the server has them, the slowest first."""
    return page.mock.slow(None)["requests"]


def whole(page: Page, id: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page.mock.url}/api/v1/slow/{id}") as answer:
        return json.load(answer)


def to(page: Page, address: str, there: str) -> None:
    page.window.run(f"location.hash = {json.dumps(address)}")
    page.window.until(f"document.querySelector({json.dumps(there)})")


def show(page: Page, view: str) -> dict[str, Any]:
    """The page of that view's slowest request."""
    id = next(one["id"] for one in kept(page) if one["view"] == view)
    to(page, f"#/request/{id}", ".waterfall .stretch")
    page.window.until(f"document.querySelector('a[download]').getAttribute('href').includes('{id}')")
    return whole(page, id)


def test_the_slowest_come_first_and_each_leads_to_its_picture(page: Page) -> None:
    page.open()
    page.window.click(".pages [data-page=slow]")
    page.window.until("document.querySelectorAll('.slow tbody tr').length > 0")
    told = kept(page)
    assert page.window.run("return document.querySelectorAll('.slow tbody tr').length") == 200
    assert "the 200 slowest of 240" in page.text("main")
    links = page.window.run("return [...document.querySelectorAll('.slow .took')].map(it => it.getAttribute('href'))")
    assert links == [f"#/request/{one['id']}" for one in told[:200]]
    assert page.window.run("return document.querySelector('.pages [aria-current=page]').innerText") == "Slow requests"
    page.window.click(".slow .took")
    page.window.until("document.querySelector('.waterfall')")
    assert page.window.run("return document.title").endswith(f"of {told[0]['view']} · turnout")
    page.window.press(ESCAPE)
    page.window.until("document.querySelector('.slow tbody tr')")


def test_those_of_one_view_and_back_to_it(page: Page) -> None:
    page.open()
    page.go(SEARCH)
    page.window.until("document.querySelectorAll('.slow tbody tr').length === 4")
    page.window.click(".head a[href^='#/slow/']")
    page.window.until("document.querySelector('h1')?.textContent === 'Slow requests of hotels.views.search'")
    page.window.until("document.querySelectorAll('.slow tbody tr').length === 4")
    assert page.texts(".slow tbody td:last-child") == [
        f"{one['worker']}{', gone' if one['gone'] else ''}" for one in kept(page) if one["view"] == SEARCH
    ]
    page.window.press(ESCAPE)
    page.window.until("document.querySelector('h1.view-name')?.textContent === 'hotels.views.search'")


def test_there_is_a_lane_for_the_loop_for_each_thread_and_for_each_call(page: Page) -> None:
    page.open()
    told = show(page, BASKET)
    lanes = page.texts(".lane:not(.axis) .lane-name .leaf")
    calls = [f"{wait['kind']} {wait['address']}" for wait in told["waits"]]
    assert lanes == ["Event loop", "Thread 21734", *calls]
    froms = page.window.run(
        "return [...document.querySelectorAll('.lane .call')].map(it => it.closest('.lane').innerText.split('\\n')[1])"
    )
    assert froms[:2] == [wait["site"] for wait in told["waits"][:2]]
    # Each bar lies where its time is.
    box = "document.querySelector('.lane:not(.axis) .track').getBoundingClientRect()"
    left, width = page.window.run(f"const box = {box}; return [box.left, box.width]")
    boxes = "[...document.querySelectorAll('.call')].map(it => it.getBoundingClientRect())"
    places = page.window.run(f"return {boxes}.map(it => [it.left, it.width])")
    end = max(told["wall"], *(span["ended"] for span in told["spans"]))
    for wait, place in zip(told["waits"], places, strict=True):
        expected = [left + width * wait["began"] / end, width * (wait["ended"] - wait["began"]) / end]
        assert place == pytest.approx(expected, abs=1.5)


def test_states_of_a_bar_are_a_proportion_and_can_be_told_without_colour(page: Page) -> None:
    page.open()
    told = show(page, BASKET)
    span = next(span for span in told["spans"] if span["thread"])
    bar = "document.querySelector('.lane:nth-of-type(3) .stretch')"
    told_of = "[it.className, parseFloat(it.style.width), getComputedStyle(it).backgroundImage]"
    parts = page.window.run(f"return [...{bar}.children].map(it => {told_of})")
    took = span["ended"] - span["began"]
    assert [name for name, _, _ in parts] == ["fill processing", "fill cpu", "fill io"]
    assert [share for _, share, _ in parts] == pytest.approx(
        [100 * span[state] / took for state in ("processing", "cpu", "io")], abs=0.1
    )
    assert [image.partition("(")[0] for _, _, image in parts] == [
        "none",
        "repeating-linear-gradient",
        "radial-gradient",
    ]
    assert "their order is not known" in page.text(".waterfall ~ .hint")


def test_bars_are_read_by_keyboard_by_pointer_and_as_tables(page: Page) -> None:
    page.open()
    told = show(page, BASKET)
    read = "document.querySelector('.readout').textContent"
    page.window.run("document.querySelector('.waterfall [tabindex=\"0\"]').focus()")
    assert page.window.run(f"return {read}").startswith("Event loop: ")
    assert page.window.run("return document.querySelector('.readout').ariaLive") == "polite"
    for _ in range(len(told["spans"])):
        page.window.press(DOWN)
    said = page.window.run(f"return {read}")
    assert said.startswith(f"Call to database {told['waits'][0]['address']}, called from {told['waits'][0]['site']}: ")
    page.window.press(UP)
    assert "Thread 21734: " in page.window.run(f"return {read}")
    assert "in line" in page.window.run(f"return {read}")
    assert page.window.run("return document.querySelectorAll('.waterfall [tabindex=\"0\"]').length") == 1
    page.window.point(".lane:last-child .call")
    page.window.until(f"{read}.startsWith('Call to cache')")
    page.window.click(".pad details summary")
    rows = page.texts(".pad details tbody tr")
    assert len(rows) == len(told["spans"]) + len(told["waits"])
    wait = told["waits"][0]
    assert rows[len(told["spans"])].split("\t")[:5] == [
        *(wait["kind"], wait["address"], wait["site"]),
        *(f"{wait[time]:.3f}" for time in ("began", "ended")),
    ]


def test_what_is_not_shown_is_said(page: Page) -> None:
    page.open()
    told = show(page, EVENTS)
    page.window.until("document.querySelector('.lane .call')")
    assert f"{told['dropped']} later steps and calls on threads are not shown" in page.text("main")


def test_the_trace_is_a_link_that_keeps_a_file(page: Page) -> None:
    page.open()
    told = show(page, BASKET)
    link = page.window.run("const link = document.querySelector('a[download]'); return [link.href, link.innerText]")
    assert link == [f"{page.mock.url}/api/v1/slow/{told['id']}/trace", "Download the trace"]


def test_a_request_that_is_gone_says_so(page: Page) -> None:
    page.may_fail = True
    page.open()
    to(page, "#/request/0123456789abcdef", ".empty")
    assert "not kept any more" in page.text(".empty")
    assert page.faults() == []
    page.window.press(ESCAPE)
    page.window.until("document.querySelector('.slow tbody tr')")


def test_what_a_view_waits_for_and_who_computes_beside_it(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.go(SEARCH)
    page.window.until("document.querySelector('.spots tbody tr')")
    told = page.mock.page(page.mock.views[0], 900)
    rows = [row.split("\t") for row in page.texts(".spots tbody tr")]
    assert [row[1] for row in rows] == [spot["address"] for spot in told["spots"]]
    assert [row[2] for row in rows] == [spot["site"] or "not known" for spot in told["spots"]]
    assert [int(row[3].replace(",", "")) for row in rows] == [spot["calls"] for spot in told["spots"]]
    beside = [text.replace("\n", "") for text in page.texts(".neighbours tbody td:first-child")]
    assert beside == [
        "itself, in other requests" if it["name"] == SEARCH else it["name"] for it in told["neighbours"]["views"]
    ]
    page.window.click(".neighbours tbody a")
    page.window.until("document.querySelector('h1.view-name')?.textContent !== 'hotels.views.search'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_and_nothing_sticks_out(page: Page, scheme: str, size: tuple[int, int]) -> None:
    page.open(size, color_scheme=scheme)
    to(page, "#/slow", ".slow tbody tr")
    assert page.faults() == []
    assert page.sticks_out() == []
    for view in (BASKET, EVENTS):
        show(page, view)
        page.window.run("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert page.faults() == [], view
        assert page.sticks_out() == [], view


def test_hostile_names_stay_text_everywhere(page: Page) -> None:
    page.open(PHONE)
    for name in HOSTILE:
        show(page, name)
        assert page.sticks_out() == [], name
        page.go(name)
        page.window.until("document.querySelector('.slow tbody tr')")
        assert page.sticks_out() == [], name
        page.window.run(f"location.hash = '#/slow/' + encodeURIComponent({json.dumps(name)})")
        page.window.until("document.querySelector('h1 .view-name') && document.querySelector('.slow tbody tr')")
        assert page.sticks_out() == [], name
        assert page.window.run("return document.querySelectorAll('main img, main script').length") == 0
        assert page.window.run("return document.title").endswith("· turnout")
