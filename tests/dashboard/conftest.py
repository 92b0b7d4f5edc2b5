"""A browser that looks at the live page, over a stand-in for the admin socket that each test may bring into trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard.mock import Mock
from demo.webdriver import BROWSER, DRIVER, Browser, browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()

WIDE, PHONE = (1280, 900), (360, 780)


class Page:
    """One window on the live page."""

    def __init__(self, window: Browser, mock: Mock) -> None:
        self.window, self.mock = window, mock
        #: The console is told of refused questions too: only a test that provokes some may find them there.
        self.may_fail = False

    def open(self, size: tuple[int, int] = WIDE, **media: str) -> None:
        """The live page in a window of that size: `color_scheme="dark"`, `reduced_motion="reduce"`."""
        features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in media.items()]
        self.window.devtools("Emulation.setEmulatedMedia", features=features)
        width, height = size
        # A window has a least width; a device has not.
        self.window.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.window.open(self.mock.url)
        self.window.until("document.getElementById('pulse').dataset.state !== 'wait' || document.querySelector('form')")

    def go(self, name: str) -> None:
        """The page of a view, once its figures are there."""
        self.window.run(f"location.hash = '#/view/' + encodeURIComponent({json.dumps(name)})")
        self.window.until("document.querySelector('.totals .value')?.textContent.match(/^[0-9]/)")

    def text(self, selector: str) -> str:
        return self.window.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def texts(self, selector: str) -> list[str]:
        return self.window.run(
            f"return [...document.querySelectorAll({json.dumps(selector)})].map(node => node.innerText)"
        )

    def shown(self) -> list[str]:
        """Names of the rows, as the data has them, from the top down."""
        rows = "document.querySelectorAll('.views tbody tr:not([hidden])')"
        return self.window.run(f"return [...{rows}].map(row => row.dataset.name)")

    def faults(self) -> list[str]:
        """What axe-core finds."""
        self.window.run(AXE)
        found = self.window.run("return axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def sticks_out(self) -> list[str]:
        """What is wider than the window, but for what has a box of its own to be moved in."""
        return self.window.run("""
            if (document.documentElement.scrollWidth <= innerWidth) return [];
            return [...document.body.querySelectorAll('*')]
                .filter(node => node.getBoundingClientRect().right > innerWidth + 0.5 && !node.closest('.scroll .rows'))
                .map(node => node.outerHTML.slice(0, 120)).concat(`${document.documentElement.scrollWidth} wide`);
        """)

    def complaints(self) -> list[dict[str, Any]]:
        """What the console got that nobody provoked."""
        ours = [entry for entry in self.window.log() if entry["level"] in ("SEVERE", "WARNING")]
        return [entry for entry in ours if not (self.may_fail and entry["source"] == "network")]


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert BROWSER, "Debian's package chromium is missing: scripts/prerequisites --install"
    assert DRIVER, "Debian's package chromium-driver is missing: scripts/prerequisites --install"
    with browser(str(tmp_path_factory.mktemp("profile")), scripts=True) as opened:
        yield opened


@pytest.fixture
def mock() -> Iterator[Mock]:
    running = Mock()
    running.step = 0.2
    try:
        yield running
    finally:
        running.trouble = "away"
        running.shutdown()
        running.server_close()


@pytest.fixture
def page(window: Browser, mock: Mock) -> Iterator[Page]:
    looking = Page(window, mock)
    window.log()
    yield looking
    complaints = looking.complaints()
    window.open("about:blank")
    assert complaints == []
