"""Makes the pictures of docs/guide/dashboard.md: `python tests/dashboard/pictures.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard import slow_figures
from dashboard.figures import HOSTILE, ORDINARY, View
from dashboard.mock import Mock
from demo.webdriver import Browser, browser

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "img"
WIDTH, HEIGHT = 1240, 960
SLOW = "hotels.views.search"


def main() -> None:
    mock = Mock()
    mock.views = [view for view in mock.views if view.name in ORDINARY]
    mock.findings = lambda at: [one for one in slow_figures.findings(at) if one["kind"] not in HOSTILE]
    slow = next(one["id"] for one in mock.slow(SLOW)["requests"])
    busy = max(mock.views, key=computing)
    with tempfile.TemporaryDirectory() as profile, browser(profile, scripts=True) as window:
        take(window, mock, "light", "light", "#/", ".views tbody tr")
        take(window, mock, "dark", "dark", f"#/view/{busy.name}", ".histogram g")
        take(window, mock, "waits", "light", f"#/view/{SLOW}", ".slow tbody tr", first=".spots", most=1300)
        take(window, mock, "request", "light", f"#/request/{slow}", ".waterfall")
        take(window, mock, "findings", "light", "#/findings", ".finding")


def computing(view: View) -> float:
    return view.rate * view.scale * (view.kind == "computes")


def take(
    window: Browser,
    mock: Mock,
    name: str,
    scheme: str,
    address: str,
    there: str,
    first: str = "",
    most: int = HEIGHT,
) -> None:
    """One page, once it shows something; no higher than it is, and from the sheet on that has ``first`` in it."""
    resize(window, HEIGHT)
    window.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    window.open("about:blank")
    window.open(f"{mock.url}/{address}")
    window.wait_for(there)
    # The first figures are there; the charts take another frame.
    time.sleep(1)
    if first:
        resize(window, 700)
        window.run(f"document.querySelector('{first}').closest('.sheet').scrollIntoView()")
    foot = window.run("return Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)")
    resize(window, min(foot, most))
    (IMAGES / f"dashboard-{name}.png").write_bytes(window.picture())


def resize(window: Browser, height: int) -> None:
    window.devtools("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)


if __name__ == "__main__":
    main()
