"""A browser, driven through chromedriver's own HTTP interface (WebDriver); only what the page's test needs."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

# No calls home, and what a container needs.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]

ENTER, ESCAPE, TAB = "\ue007", "\ue00c", "\ue004"
UP, DOWN = "\ue013", "\ue015"

#: The key under which WebDriver names an element.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        send("POST", f"{self._session}/url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        """The page's size: a headless window has no borders."""
        send("POST", f"{self._session}/window/rect", {"width": width, "height": height})

    def run(self, script: str) -> Any:
        return send("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def wait_for(self, selector: str) -> None:
        """Until there is one: a page asked for by a form is not there at once."""
        self._find(selector)

    def type(self, selector: str, text: str) -> None:
        element = self._find(selector)
        send("POST", f"{self._session}/element/{element}/clear", {})
        send("POST", f"{self._session}/element/{element}/value", {"text": text})

    def click(self, selector: str) -> None:
        send("POST", f"{self._session}/element/{self._find(selector)}/click", {})

    def press(self, *keys: str) -> None:
        """On whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
        send("POST", f"{self._session}/actions", {"actions": actions})

    def point(self, selector: str) -> None:
        """Moves the mouse there."""
        origin = {ELEMENT: self._find(selector)}
        move = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin}
        send("POST", f"{self._session}/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def until(self, condition: str, seconds: float = 20) -> Any:
        """What a JavaScript expression comes to, once that is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(f"return {condition}")):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.05)
        return value

    def log(self) -> list[dict[str, Any]]:
        """What the console got since the last look."""
        return send("POST", f"{self._session}/se/log", {"type": "browser"})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """What WebDriver has no word for."""
        return send("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def picture(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(send("GET", f"{self._session}/screenshot"))

    def _find(self, selector: str) -> str:
        found = send("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]


@contextmanager
def browser(profile: str, *, scripts: bool, dark: bool = False) -> Iterator[Browser]:
    """A headless Chromium with an empty profile; without `scripts` pages may run none (the test still can)."""
    with subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            line = next(line for line in driver.stdout if "started successfully on port" in line)
            base = f"http://127.0.0.1:{line.rstrip().rstrip('.').rsplit(' ', 1)[1]}"
            allowed = {"profile.managed_default_content_settings.javascript": 1 if scripts else 2}
            theme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
            options = {"binary": BROWSER, "args": [*FLAGS, *theme, f"--user-data-dir={profile}"], "prefs": allowed}
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            wanted = {"capabilities": {"alwaysMatch": capabilities}}
            session = f"{base}/session/{send('POST', f'{base}/session', wanted)['sessionId']}"
            try:
                # How long it looks for an element.
                send("POST", f"{session}/timeouts", {"implicit": 20_000})
                yield Browser(session)
            finally:
                send("DELETE", session)
        finally:
            driver.kill()


def send(method: str, url: str, body: dict | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        # The status says nothing; what went wrong is in the body.
        raise AssertionError(json.load(error)["value"]["message"]) from error
