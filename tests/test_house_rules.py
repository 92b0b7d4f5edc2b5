"""Rules of CONTRIBUTING.md that a machine can check: where unsafe stands, how long files get, what the text names."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Tables (.toml, .md, .json) may be as long as they have rows.
CODE = {".rs", ".py", ".pyi", ".sh", ".lua", ".html", ".css", ".js"}
LONGEST_FILE = 600
UNSAFE_LIVES_IN = "crates/turnout-py/src/raw/"


def tracked() -> list[str]:
    """The files of the repository that are text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [name for name in names if b"\0" not in (ROOT / name).read_bytes()[:8192]]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def is_code(name: str) -> bool:
    return Path(name).suffix in CODE or text(name).startswith("#!")


def test_files_fit_in_a_head() -> None:
    lengths = {name: text(name).count("\n") for name in tracked() if is_code(name)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def crate_roots() -> list[str]:
    """The root file of every target of every crate but turnout-py."""
    roots = []
    for manifest in sorted(ROOT.glob("crates/*/Cargo.toml")):
        if manifest.parent.name != "turnout-py":
            source = manifest.parent / "src"
            found = [source / "lib.rs", source / "main.rs", *source.glob("bin/*.rs"), *source.glob("bin/*/main.rs")]
            roots += [str(path.relative_to(ROOT)) for path in found if path.exists()]
    return roots


@pytest.mark.parametrize("root", crate_roots())
def test_unsafe_is_forbidden_outside_the_python_border(root: str) -> None:
    assert "#![forbid(unsafe_code)]" in text(root)


def without_comments(source: str) -> str:
    """Rust without its comments and the insides of its plain strings: enough to look for keywords."""
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"", "", source, flags=re.DOTALL)


def test_unsafe_is_a_place() -> None:
    rust = [name for name in tracked() if name.endswith(".rs") and not name.startswith(UNSAFE_LIVES_IN)]
    keyword = re.compile(r"\bunsafe\b|\b(?:allow|expect)\(\s*unsafe_code")
    assert [name for name in rust if keyword.search(without_comments(text(name)))] == []


def test_nothing_is_left_for_later_in_the_code() -> None:
    # Spelled in two halves, or this file would be the first finding.
    mark = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    findings = [
        f"{name}:{number}"
        for name in tracked()
        if is_code(name)
        for number, line in enumerate(text(name).splitlines(), 1)
        if mark.search(line)
    ]
    assert findings == []


def foreign_words() -> list[str]:
    """What belongs to the machine that this runs on: its paths, the hosts its packages come from."""
    words = {str(ROOT) + "/", str(Path.home()) + "/."}
    # A folder at the root that is nobody else's custom.
    if ROOT.parts[1] not in {"home", "opt", "srv", "tmp", "usr", "var"}:
        words.add(f"/{ROOT.parts[1]}/")
    configured = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    tools = re.compile(r"(?:PIP|CARGO|UV|NPM|RUSTUP)_")
    hints = [configured, *(value for name, value in os.environ.items() if tools.match(name))]
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    hints += [(cargo / name).read_text() for name in ("config.toml", "config") if (cargo / name).is_file()]
    for hint in hints:
        for address in re.findall(r"https?://[^\s'\"]+", hint):
            words.add(urlsplit(address).hostname or address)
    # The public homes of the languages are named in any lock file and any readme.
    return sorted(words - {"github.com", "127.0.0.1", "localhost", ""})


@pytest.mark.parametrize("word", foreign_words())
def test_the_text_names_nothing_of_this_machine(word: str) -> None:
    assert [name for name in tracked() if word in text(name)] == []


def test_packages_come_from_wherever_the_machine_says() -> None:
    pinned = re.compile(r"--(?:extra-)?index" r"-url|find" r"-links|registry\s*=\s*[\"']http")
    assert [name for name in tracked() if pinned.search(text(name))] == []
