"""The examples of the guide run, and do what the text around them says: hidden comments beside them check it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide"
# A fence of Python, or a comment that no reader sees.
PART = re.compile(r"^```python\n(?P<shown>.*?)^```$|^<!-- run\n(?P<hidden>.*?)^-->$", re.MULTILINE | re.DOTALL)
BEFORE = """
import django
from django.conf import settings
settings.configure(DEFAULT_CHARSET="utf-8", ALLOWED_HOSTS=["*"])
django.setup()
"""


@pytest.mark.parametrize(("page", "least"), [("http.md", 8), ("http-testing.md", 5), ("http-connections.md", 1)])
def test_the_examples_of_a_page_run(page: str, least: int, tmp_path: Path) -> None:
    text = (GUIDE / page).read_text()
    parts = list(PART.finditer(text))
    assert sum(part["shown"] is not None for part in parts) >= least
    program = BEFORE
    for part in parts:
        source = part["shown"] or part["hidden"]
        # With its own line numbers, so that a failure names the line of the page.
        line = text.count("\n", 0, part.start()) + 1
        program += f"exec(compile({chr(10) * line + source!r}, {page!r}, 'exec'), globals())\n"
    (tmp_path / "page.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-X", "dev", "-W", "error", "page.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
