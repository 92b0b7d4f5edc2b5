"""The example's page as turnout serves it, asked by hand and by a browser."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from demo.conftest import Demo
from demo.webdriver import BROWSER, DRIVER, ENTER, browser

from turnout.demo import WAYS

pytestmark = pytest.mark.timeout(150)


def get(demo: Demo, path: str, **query: object) -> tuple[str, str]:
    """Where the redirects ended, and what was there."""
    with urllib.request.urlopen(f"{demo.url}{path}?{urllib.parse.urlencode(query)}") as answer:
        return answer.url, answer.read().decode()


PASSING_ON = {"http-merged", "http-stream"}
COMPARED = [way for way in WAYS if way not in PASSING_ON]


@pytest.mark.parametrize("way", COMPARED)
def test_every_way_answers_with_offers(demo: Demo, way: str) -> None:
    _, body = get(demo, f"/search/{way}/", city="Tallinn", nights=3)
    answer = json.loads(body)
    assert (answer["way"], answer["city"], len(answer["upstreams"])) == (way, "Tallinn", 8)
    assert answer["offers"]
    # What ADRF checks for DRF's defaults needs no thread.
    held = {"one-after-another": 1, "thread-pool": 9, "gathered": 0, "adrf": 0, "drf": 1}
    # A sync view's calls need no threads but its own.
    held |= {"http-gather": 1, "http-agather": 0}
    assert answer["threads"] == held[way], answer


def test_merged_offers_come_from_all_sites_the_cheapest_first(demo: Demo) -> None:
    _, body = get(demo, "/search/http-merged/", city="Tallinn", nights=3)
    offers = json.loads(body)["offers"]
    prices = [offer["per_night"] for offer in offers]
    assert len(offers) == 20
    assert prices == sorted(prices)
    assert len({offer["site"] for offer in offers}) > 3


def test_offers_come_site_by_site_the_quickest_first(demo: Demo) -> None:
    _, body = get(demo, "/search/http-stream/", city="Tallinn", nights=3)
    lines = [json.loads(line) for line in body.splitlines()]
    times = [line["after_ms"] for line in lines]
    assert len(lines) == 8
    assert times == sorted(times)
    assert (lines[0]["site"], lines[-1]["site"]) == ("Bettbörse", "Nightjar Rooms")


def test_the_page_that_grows_is_whole_at_its_end(demo: Demo) -> None:
    _, page = get(demo, "/live/", city="Tallinn", nights=3)
    assert page.count("<h2>") == 8
    assert "That is all. The cheapest:" in page
    assert page.rstrip().endswith("</html>")


def test_a_question_that_makes_no_sense_is_a_400(demo: Demo) -> None:
    for way in WAYS:
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(demo, f"/search/{way}/", city="Tallinn", nights=0)
        assert refused.value.code == 400
        refused.value.close()


def test_a_comparison_goes_through_every_way_and_names_what_it_found(demo: Demo) -> None:
    url, page = get(demo, "/compare/", city="Ghent", nights=2, way="all")
    assert "/compare/" in url
    assert page.count('<tr role="row">') == 1 + len(COMPARED)
    assert "Fan-out saves time." in page
    assert "Async saves threads." in page
    assert "the async view none." in page
    assert "<script" not in page


def test_a_city_without_rooms_says_so(demo: Demo) -> None:
    _, page = get(demo, "/compare/", city="Atlantis", nights=2, way="gathered")
    assert "No rooms in Atlantis." in page


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Debian's packages chromium and chromium-driver")
def test_a_browser_without_scripts_searches_by_keyboard_on_a_phone(demo: Demo, tmp_path: Path) -> None:
    with browser(str(tmp_path), scripts=False) as phone:
        phone.resize(390, 844)
        phone.open(demo.url)
        assert phone.run("return document.documentElement.scrollWidth <= innerWidth")
        phone.type("#id_city", "Ljubljana" + ENTER)
        phone.wait_for(".offers li")
        assert phone.run("return document.querySelector('h1').textContent") == "Ljubljana, 2 nights"
        assert phone.run("return document.querySelectorAll('.ways tbody tr').length") == len(COMPARED)
        assert phone.run("return document.querySelectorAll('.offers li').length") > 3
        phone.run("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert phone.run("return document.documentElement.scrollWidth <= innerWidth")
        # Nothing comes from elsewhere.
        assert (
            phone.run("return performance.getEntriesByType('resource').filter(r => r.name.startsWith('http')).length")
            == 0
        )
