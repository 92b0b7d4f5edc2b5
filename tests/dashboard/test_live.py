"""The live page: figures that change, rows that are sorted, filtered and opened, workers that do not serve."""

from __future__ import annotations

import time

from dashboard.conftest import Page
from dashboard.figures import HOSTILE
from demo.webdriver import DOWN, ENTER, ESCAPE, TAB, UP

SEARCH = "hotels.views.search"
ROW = f"[...document.querySelectorAll('.views tbody tr')].find(row => row.dataset.name === '{SEARCH}')"


def cell(kind: str) -> str:
    return f"{ROW}.querySelector('.{kind}').textContent"


def test_figures_change_while_one_looks(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    assert len(page.shown()) == 60
    for rate, said in ((1234.4, "1,234"), (0.061, "0.06"), (7.0, "7.0")):
        page.mock.changes[SEARCH] = {"rps": rate, "shares": {"processing": 0.25, "cpu": 0.25, "io": 0.5}}
        page.window.until(f"{cell('rate')} === '{said}'")
    widths = page.window.run(f"return [...{ROW}.querySelectorAll('.bar .fill')].map(span => span.style.width)")
    assert [float(width.rstrip("%")) for width in widths] == [25, 25, 50]
    assert page.window.run(f"return [...{ROW}.querySelectorAll('.bar b')].map(label => label.textContent)") == [
        "P 25",
        "C 25",
        "W 50",
    ]


def test_all_comes_from_this_server_and_the_policy_allows_it(page: Page) -> None:
    page.open()
    page.go(SEARCH)
    origins = page.window.run(
        "return [...new Set(performance.getEntriesByType('resource').map(it => new URL(it.name).origin))]"
    )
    assert origins == [page.mock.url]


def test_a_state_can_be_told_without_its_colour(page: Page) -> None:
    page.open()
    image = "getComputedStyle(document.querySelector('.views .fill.{}')).backgroundImage"
    images = [page.window.run(f"return {image.format(state)}") for state in ("processing", "cpu", "io")]
    assert images[0] == "none"
    assert "repeating-linear-gradient" in images[1]
    assert "radial-gradient" in images[2]


def test_the_heaviest_view_comes_first_and_any_column_sorts(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    rows = {row["name"]: row for row in page.mock.now(60)["views"]}

    def expected(key: str, *, down: bool = True) -> list[str]:
        return [name for name, _ in sorted(rows.items(), key=lambda it: it[1][key], reverse=down)]

    assert page.shown() == expected("seconds_a_minute")
    assert page.window.run("return document.querySelector('th.total').getAttribute('aria-sort')") == "descending"
    for column, key in (("rate", "rps"), ("p50", "p50"), ("p95", "p95")):
        page.window.click(f"[data-sort={column}]")
        assert page.shown() == expected(key)
        page.window.click(f"[data-sort={column}]")
        assert page.shown() == expected(key, down=False)
        assert page.window.run(f"return document.querySelector('th.{column}').ariaSort") == "ascending"
    page.window.click("[data-sort=cpu]")
    shares = [rows[name]["shares"]["cpu"] for name in page.shown()]
    assert shares == sorted(shares, reverse=True)
    page.window.click("[data-sort=name]")
    # As JavaScript compares: by UTF-16 units.
    assert page.shown() == sorted(rows, key=lambda name: name.encode("utf-16-be"))


def test_the_filter_thins_the_rows_out_and_says_how_many_are_left(page: Page) -> None:
    page.open()
    page.window.press("/")
    assert page.window.run("return document.activeElement.id") == "filter"
    page.window.press(*"HOTELS")
    assert sorted(page.shown()) == ["hotels.api.availability", "hotels.api.prices", "hotels.views.offers", SEARCH]
    assert page.text(".count") == "4 of 60 views"
    page.window.press(*".nowhere")
    assert page.shown() == []
    assert page.text(".empty:not([hidden])").startswith("No view's name contains this.")
    page.window.press(ESCAPE)
    assert len(page.shown()) == 60
    assert page.text(".count") == "60 views"
    page.window.press(ESCAPE)
    assert page.window.run("return document.activeElement === document.body")


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    order = page.shown()
    page.window.press("/")
    page.window.press(DOWN)
    focused = "document.activeElement.dataset.name"
    assert page.window.run(f"return {focused}") == order[0]
    assert page.window.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.window.press(DOWN, DOWN, UP)
    assert page.window.run(f"return {focused}") == order[1]
    page.window.press(ENTER)
    page.window.until("document.querySelector('h1.view-name')")
    page.window.press(ESCAPE)
    page.window.until(f"document.querySelector('.views') && {focused} === {order[1]!r}")
    # Sixty rows are one stop on the way of the Tab key.
    page.window.press(TAB)
    assert not page.window.run("return document.activeElement.closest('.views tbody')")


def test_rows_stay_where_they_are_while_somebody_points_at_them(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    last = page.shown()[-1]
    page.window.point(".views tbody tr:first-child .rate")
    page.mock.changes[last] = {"seconds_a_minute": 1e6, "rps": 4321.0}
    page.window.until("document.querySelector('.views tbody').textContent.includes('4,321')")
    assert page.shown()[-1] == last
    page.window.point("h2")
    page.window.until(f"document.querySelector('.views tbody tr').dataset.name === {last!r}")


def test_the_parts_of_a_bar_are_named_beside_the_pointer_and_for_the_ear(page: Page) -> None:
    page.open()
    page.window.point(".views tbody tr:nth-child(2) .bar")
    page.window.until("document.querySelector('.tip')")
    said = page.text(".tip")
    for part in ("run queue", "GIL", "loop", "no free thread", "client", "other I/O"):
        assert part in said
    page.window.press(ESCAPE)
    assert page.window.run("return document.querySelector('.tip')") is None
    heard = page.window.run("return document.querySelector('.views .split .unseen').textContent")
    assert heard.startswith("Processing ")
    assert "Waiting for CPU" in heard
    assert "other I/O" in heard


def test_each_kind_of_wait_is_named_beside_the_parts(page: Page) -> None:
    kinds = ["db", "http", "cache", "socket", "lock", "sleep", "file", "other"]
    page.mock.still = 1_790_000_000.0
    page.open()
    page.mock.changes[page.shown()[1]] = {"waits": {kind: place + 1.5 for place, kind in enumerate(kinds)}}
    page.window.point(".views tbody tr:nth-child(2) .bar")
    page.window.until("document.querySelector('.tip')?.textContent.includes('calls: database')")
    named = dict(zip(page.texts(".tip dt"), page.texts(".tip dt + dd"), strict=True))
    words = ["calls: database", "calls: upstreams", "calls: cache"]
    words += [f"seen: {kind}" for kind in kinds[3:]]
    assert [named[word] for word in words] == [f"{place + 1.5:.1f}" for place in range(8)]


def test_a_worker_that_does_not_serve_is_named_and_the_page_goes_on(page: Page) -> None:
    page.open()
    assert page.texts(".workers .state") == ["serving", "serving"]
    words = {"blocked": "is blocked", "silent": "says nothing any more", "gone": "is gone"}
    for rate, (state, word) in enumerate(words.items(), 1001):
        process = 0 if state == "gone" else 4712
        page.mock.workers[1] = {
            "state": state,
            "blocked_for": 2400.0,
            "written": time.time() - 12.5,
            "process": process,
        }
        who = f"Worker 2{f' (pid {process})' if process else ''}"
        page.window.until(f"document.getElementById('notices').textContent.includes('{who} {word}')")
        said = {"blocked": "blocked for 2.4 s", "silent": "silent for 12 s", "gone": "gone"}[state]
        assert page.texts(".workers .state")[1] == said
        before = page.window.run(f"return {cell('rate')}")
        page.mock.changes[SEARCH] = {"rps": float(rate)}
        page.window.until(f"{cell('rate')} !== '{before}'")
    page.mock.workers[1] = {}
    page.window.until("document.getElementById('notices').textContent === ''")
    page.mock.workers = {0: {}, 2: {}}
    page.window.until("document.querySelector('.workers tbody').textContent.includes('pid 4713')")
    assert "pid 4712" not in page.text(".workers tbody")


def test_a_paused_page_stands_still(page: Page) -> None:
    page.open()
    page.window.press("p")
    page.window.until("document.getElementById('pulse-text').textContent === 'Paused'")
    before = page.window.run(f"return {cell('rate')}")
    page.mock.changes[SEARCH] = {"rps": 4321.0}
    time.sleep(3 * page.mock.step)
    assert page.window.run(f"return {cell('rate')}") == before
    page.window.click("#pause")
    page.window.until(f"{cell('rate')} === '4,321'")


def test_another_window_of_time_asks_for_it(page: Page) -> None:
    page.open()
    page.window.run("document.querySelector('[name=window][value=\"900\"]').click()")
    page.mock.changes[SEARCH] = {"failed": 4321}
    page.window.until(f"{cell('failed')} === '4,321'")
    assert page.mock.asked[-1] == 900


def test_without_requests_it_says_what_to_do(page: Page) -> None:
    page.mock.views = []
    page.open()
    assert "No request has been answered" in page.text(".empty:not([hidden])")
    assert "turnout demo --stay" in page.text(".empty:not([hidden])")
    assert page.faults() == []


def test_hostile_names_stay_text(page: Page) -> None:
    page.open()
    assert set(HOSTILE) < set(page.shown())
    assert page.window.run("return document.querySelectorAll('main img, main script').length") == 0
    assert page.window.run("return document.title") == "Live · turnout"
    names = page.window.run("return [...document.querySelectorAll('.views td.name a')].map(link => link.textContent)")
    assert "shop.views.\\u{202e}gnp.exe\\u{202c}" in names
    assert "line\\u{a}break\\u{9}and\\u{0}nul" in names
    assert "<img src=x onerror=alert(1)>" in names
