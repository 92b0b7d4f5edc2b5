"""Findings: the page, the short list of the live page, the number in the header."""

from __future__ import annotations

import pytest
from dashboard.conftest import PHONE, WIDE, Page
from dashboard.figures import HOSTILE
from demo.webdriver import ESCAPE

BADGE = "document.getElementById('found')"


def test_the_live_page_names_the_latest_and_leads_to_all(page: Page) -> None:
    page.open()
    page.window.until("document.querySelector('.findings.short li')")
    told = page.mock.findings(page.mock.time())
    assert page.texts(".findings.short .text") == [finding["text"] for finding in told if finding["active"]][:3]
    assert page.text("#found") == "3"
    page.window.click("a[href='#/findings']")
    page.window.until("document.querySelectorAll('.findings:not(.short) li').length > 3")
    page.window.press(ESCAPE)
    page.window.until("document.querySelector('.findings.short li')")


def test_each_says_what_where_when_and_what_to_do(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.window.click(".pages [data-page=findings]")
    page.window.until("document.querySelectorAll('.findings li').length > 3")
    told = page.mock.findings(page.mock.still)
    shown = [one for one in told if one["kind"] not in HOSTILE]
    assert page.texts(".findings .text")[: len(shown)] == [finding["text"] for finding in shown]
    assert page.texts(".findings .advice")[: len(shown)] == [f"What to do: {finding['advice']}" for finding in shown]
    when = page.texts(".findings .when")
    assert when[0].startswith("seen just now (")
    assert when[0].endswith("first 60 min ago")
    assert when[1].startswith("seen 22 s ago (")
    assert page.text("main p") == "3 noticed in the last minute, 4 before."
    page.window.click(".findings .where a")
    page.window.until("document.querySelector('h1.view-name')?.textContent === 'hotels.views.search'")


def test_what_comes_is_shown_and_what_has_passed_is_quiet(page: Page) -> None:
    page.mock.findings = lambda _at: []
    page.open()
    page.window.click(".pages [data-page=findings]")
    page.window.until("document.querySelector('.empty:not([hidden])')?.textContent.includes('Nothing was noticed')")
    assert page.window.run(f"return {BADGE}.hidden")
    assert page.faults() == []
    told = type(page.mock)().findings
    page.mock.findings = lambda at: told(at)[3:4]
    page.window.until("document.querySelectorAll('.findings li.past').length === 1", 20)
    assert page.window.run(f"return {BADGE}.hidden"), "it was not in the last minute"
    page.mock.findings = lambda at: told(at)[:1]
    page.window.until(f"{BADGE}.textContent === '1' && !document.querySelector('.findings li.past')", 20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_and_nothing_sticks_out(page: Page, scheme: str, size: tuple[int, int]) -> None:
    page.open(size, color_scheme=scheme)
    page.window.until("document.querySelector('.findings.short li')")
    assert page.faults() == []
    assert page.sticks_out() == []
    page.window.run("location.hash = '#/findings'")
    page.window.until("document.querySelectorAll('.findings li').length > 3")
    assert page.faults() == []
    assert page.sticks_out() == []


def test_hostile_texts_stay_text(page: Page) -> None:
    page.open()
    page.window.run("location.hash = '#/findings'")
    page.window.until("document.querySelectorAll('.findings li').length > 3")
    last = page.text(".findings li:last-child")
    assert "Do not </script><script>document.title='owned'</script>." in last
    assert "line\\u{a}break\\u{9}and\\u{0}nul" in last
    assert page.window.run("return document.querySelectorAll('main img, main script').length") == 0
    assert page.window.run("return document.title") == "Findings · turnout"
