"""What is around the pages: the connection, the token, the theme, and who cannot see or point."""

from __future__ import annotations

import time

import pytest
from dashboard.conftest import PHONE, WIDE, Page
from dashboard.mock import TOKEN
from demo.webdriver import ENTER

SEARCH = "hotels.views.search"
NOTICES = "document.getElementById('notices').textContent"
LIVE = "document.getElementById('pulse').dataset.state === 'live'"


def test_a_lost_connection_is_said_and_what_is_shown_stays(page: Page) -> None:
    page.may_fail = True
    page.open()
    page.mock.trouble = "away"
    page.window.until(f"{NOTICES}.includes('The connection to the server is lost. What is shown is from')")
    assert page.text("#pulse") == "Not connected"
    assert len(page.shown()) == 60
    assert page.faults() == []
    page.mock.trouble = ""
    page.window.until(LIVE)
    assert page.window.run(f"return {NOTICES}") == ""


def test_a_stream_that_falls_silent_is_replaced(page: Page) -> None:
    page.mock.still = 1_790_000_000.0
    page.open()
    page.mock.trouble = "mute"
    page.mock.changes[SEARCH] = {"rps": 4321.0}
    # The stream says nothing more, a plain question is answered.
    page.window.until("document.querySelector('.views tbody').textContent.includes('4,321')", 20)


def test_a_hidden_page_asks_for_nothing(page: Page) -> None:
    page.open()
    hide = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}})"
    turn = "document.dispatchEvent(new Event('visibilitychange'))"
    page.window.run(f"{hide.format('true')}; {turn}")
    streams = len(page.mock.asked)
    page.mock.changes[SEARCH] = {"rps": 4321.0}
    time.sleep(4 * page.mock.step)
    assert "4,321" not in page.text(".views tbody")
    assert len(page.mock.asked) == streams
    page.window.run(f"{hide.format('false')}; {turn}")
    page.window.until("document.querySelector('.views tbody').textContent.includes('4,321')")


def test_a_server_with_too_many_pages_says_so_in_its_own_words(page: Page) -> None:
    page.may_fail = True
    page.mock.trouble = "full"
    page.open()
    page.window.until(f"{NOTICES}.includes('The server says: 100 pages are open already.')")
    page.mock.trouble = ""
    page.window.until(f"{LIVE} && document.querySelector('.views tbody tr')")


def test_who_has_no_token_is_asked_for_it(page: Page) -> None:
    page.may_fail = True
    page.mock.locked = True
    page.open()
    page.window.wait_for("form #token")
    assert page.faults() == []
    page.window.type("#token", "guessed" + ENTER)
    page.window.until("document.getElementById('wrong').textContent === 'This is not the token.'")
    page.window.type("#token", TOKEN + ENTER)
    page.window.until("document.querySelectorAll('.views tbody tr').length === 60")
    # Neither in the address nor in the history.
    assert TOKEN not in page.window.run("return location.href")
    assert page.window.run("return document.cookie + JSON.stringify(localStorage)").find(TOKEN) < 0


def test_a_token_that_is_taken_back_while_one_looks(page: Page) -> None:
    page.may_fail = True
    page.open()
    page.go(SEARCH)
    page.mock.locked = True
    page.window.wait_for("form #token")
    page.window.type("#token", TOKEN + ENTER)
    # Back where one was.
    page.window.until("document.querySelector('.view-name')?.textContent === 'hotels.views.search'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(page: Page, scheme: str, size: tuple[int, int]) -> None:
    page.mock.workers[1] = {"state": "blocked", "blocked_for": 2400.0}
    page.open(size, color_scheme=scheme)
    page.window.until("document.querySelector('.views tbody tr')")
    page.window.point(".views tbody tr:nth-child(2) .bar")
    assert page.faults() == []
    page.go(SEARCH)
    page.window.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.faults() == []


def test_the_theme_follows_the_system_until_one_chooses(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.open(color_scheme="dark")
    assert page.window.run(f"return {ground}") == "rgb(16, 22, 21)"
    page.open(color_scheme="light")
    assert page.window.run(f"return {ground}") == "rgb(246, 247, 245)"
    page.window.click("#theme")
    assert page.text("#theme") == "Theme: light"
    page.window.click("#theme")
    assert page.window.run(f"return {ground}") == "rgb(16, 22, 21)"
    page.open(color_scheme="light")
    assert page.text("#theme") == "Theme: dark"
    assert page.window.run(f"return {ground}") == "rgb(16, 22, 21)"


def test_nothing_moves_for_those_who_do_not_want_it(page: Page) -> None:
    moving = """[...document.querySelectorAll('*')].filter(node => {
            const style = getComputedStyle(node);
            return style.animationName !== 'none' || style.transitionDuration.split(',').some(it => parseFloat(it) > 0);
        }).length"""
    page.open(reduced_motion="reduce")
    assert page.window.run(f"return {moving}") == 0
    page.open(reduced_motion="no-preference")
    assert page.window.run(f"return {moving}") > 0


def test_without_sight_of_the_first_screen_one_skips_it(page: Page) -> None:
    page.open()
    page.window.run("document.getElementById('skip').focus()")
    page.window.press(ENTER)
    assert page.window.run("return document.activeElement.id") == "main"
    assert page.window.run("return location.hash") in ("", "#/")
