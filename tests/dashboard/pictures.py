"""Makes the pictures of docs/guide/dashboard.md: `python tests/dashboard/pictures.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.figures import ORDINARY, View
from dashboard.mock import Mock
from demo.webdriver import Browser, browser

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "img"
SIZE = (1240, 960)


def main() -> None:
    mock = Mock()
    mock.views = [view for view in mock.views if view.name in ORDINARY]
    with tempfile.TemporaryDirectory() as profile, browser(profile, scripts=True) as window:
        width, height = SIZE
        window.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        take(window, mock, "light", "#/", ".views tbody tr")
        busy = max(mock.views, key=computing)
        take(window, mock, "dark", f"#/view/{busy.name}", ".histogram g")


def computing(view: View) -> float:
    return view.rate * view.scale * (view.kind == "computes")


def take(window: Browser, mock: Mock, scheme: str, address: str, there: str) -> None:
    """One page, once it shows something."""
    window.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    window.open(f"{mock.url}/{address}")
    window.wait_for(there)
    # The first figures are there; the charts take another frame.
    time.sleep(1)
    (IMAGES / f"dashboard-{scheme}.png").write_bytes(window.picture())


if __name__ == "__main__":
    main()
