"""examples/hotels is an ordinary project: its tests pass under Django's own runner, and few views know turnout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def manage(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::ResourceWarning", "manage.py", *arguments]
    # Another folder's tests may have named a project of theirs.
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(command, cwd=repository / "examples" / "hotels", env=env, capture_output=True, text=True)


def test_its_own_tests_pass(repository: Path) -> None:
    done = manage(repository, "test")
    assert done.returncode == 0, done.stderr
    assert "\nOK" in done.stderr


def test_its_checks_and_migrations_are_in_order(repository: Path) -> None:
    assert manage(repository, "check").returncode == 0
    assert manage(repository, "makemigrations", "--check", "--dry-run").returncode == 0


def test_only_four_views_and_the_command_that_starts_the_booking_sites_know_turnout(repository: Path) -> None:
    sources = (repository / "examples" / "hotels").rglob("*.py")
    knowing = {
        source.name for source in sources if "import turnout" in (text := source.read_text()) or "from turnout" in text
    }
    assert knowing == {"upstreams.py", "with_turnout.py"}
