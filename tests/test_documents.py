"""The documents agree with the tree: links lead somewhere, lists are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = ROOT / "docs/decisions"


def documents() -> list[Path]:
    """Every Markdown file that a reader is sent to."""
    return sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), ROOT / "bench/README.md"]
    )


def headings(document: Path) -> set[str]:
    """The anchors of a document, as they are made from its headings."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(link)
    assert broken == []


def test_every_decision_is_listed() -> None:
    index = (DECISIONS / "README.md").read_text()
    assert [page.name for page in sorted(DECISIONS.glob("0*.md")) if f"({page.name})" not in index] == []


def test_decisions_are_numbered_once() -> None:
    numbers = [page.name[:4] for page in DECISIONS.glob("0*.md")]
    assert len(numbers) == len(set(numbers))


def test_every_file_of_unsafe_code_has_its_invariants_gathered() -> None:
    gathered = (ROOT / "SAFETY.md").read_text()
    files = [file.name for file in (ROOT / "crates/turnout-py/src/raw").glob("*.rs") if file.name != "mod.rs"]
    assert files
    assert [name for name in sorted(files) if f"`{name}`" not in gathered] == []
