"""The page of one view, of every view there is."""

from __future__ import annotations

from dashboard.conftest import PHONE, Page
from dashboard.figures import HOSTILE

SEARCH = "hotels.views.search"
#: Pixels of the chart that were drawn on.
INK = """(() => {
        const canvas = document.querySelector('.uplot canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let [drawn, sum] = [0, 0];
        for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) { drawn++; sum += pixels[at - 3]; }
        return [drawn / (pixels.length / 4), sum / drawn];
    })()"""


def test_every_page_opens_and_names_its_view(page: Page) -> None:
    page.open()
    for view in page.mock.views:
        page.go(view.name)
        # What cannot be seen is spelled out.
        shown = page.window.run("return document.querySelector('h1').textContent")
        assert shown.replace("\\u{", "").isprintable()
        assert shown == "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in view.name)
        assert page.window.run("return document.querySelectorAll('.histogram g').length") > 10, view.name
        assert page.window.run(f"return {INK}[0]") > 0.1, view.name


def test_what_a_request_waits_for_is_named(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.go(SEARCH)
    totals = page.mock.views[0].row(page.mock.still, 900)
    named = dict(zip(page.texts(".three dt"), page.texts(".three dt + dd"), strict=True))
    assert list(named) == [
        *("Processing", "Waiting for CPU", "run queue", "GIL", "loop", "no free thread"),
        *("Waiting for I/O", "client", "other I/O"),
    ]
    assert float(named["Processing"]) == round(totals["parts"]["processing"], 1)
    assert named["client"] == f"{totals['parts']['client']:.2f}"
    figures = dict(zip(page.texts(".totals dt"), page.texts(".totals .value"), strict=True))
    assert figures["Requests"] == f"{totals['requests']:,}"
    assert figures["Knee N*"] == f"{totals['knee']:.1f} threads"


def test_charts_are_drawn_again_in_the_other_theme(page: Page) -> None:
    page.open(color_scheme="light")
    page.go("hotels.views.offers")
    light = page.window.run(f"return {INK}[1]")
    page.window.click("#theme")
    page.window.click("#theme")
    assert page.text("#theme") == "Theme: dark"
    page.window.until(f"Math.abs({INK}[1] - {light}) > 5")


def test_the_histogram_has_a_table_with_the_same_figures(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.go(SEARCH)
    page.window.click(".pad details summary")
    rows = page.texts(".pad details tbody tr")
    told = [one["requests"] for one in page.mock.views[0].page(page.mock.still, 900)["bins"]]
    assert [int(row.split("\t")[2].replace(",", "")) for row in rows] == told
    page.window.point(".histogram g:nth-of-type(20)")
    page.window.until("document.querySelectorAll('.readout')[1].textContent.includes('Waiting for I/O')")


def test_it_is_kept_up_to_date(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.go(SEARCH)
    before = page.text(".totals .value")
    page.mock.views[0].rate *= 10
    page.window.until(f"document.querySelector('.totals .value').textContent !== '{before}'", 20)


def test_a_view_that_is_not_there_says_so_and_comes_with_its_first_answer(page: Page) -> None:
    page.may_fail = True
    view = page.mock.views.pop(0)
    page.open()
    page.window.run(f"location.hash = '#/view/{view.name}'")
    page.window.until("document.querySelector('.empty:not([hidden])')?.textContent.includes('No figures of this view')")
    page.mock.views.append(view)
    page.window.until("document.querySelector('.totals .value').textContent.match(/^[0-9]/)", 20)
    assert page.text(".empty:not([hidden])") == ""


def test_an_address_that_nobody_meant_is_the_live_page(page: Page) -> None:
    page.open()
    page.window.run("location.hash = '#/view/%E0%A4%A'")
    page.window.until("document.querySelector('.views tbody tr')")


def test_on_a_phone_nothing_sticks_out(page: Page) -> None:
    page.open(PHONE)
    assert page.sticks_out() == []
    for name in (SEARCH, *HOSTILE):
        page.go(name)
        assert page.sticks_out() == [], name
