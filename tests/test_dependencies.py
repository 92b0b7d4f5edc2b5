"""What turnout is built from: licences, sources and versions as deny.toml wants them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@cache
def rules() -> dict[str, Any]:
    return tomllib.loads((ROOT / "deny.toml").read_text())


@cache
def packages() -> list[dict[str, Any]]:
    """Every package that is built on the first target of deny.toml."""
    target = rules()["graph"]["targets"][0]
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    built = {node["id"] for node in metadata["resolve"]["nodes"]}
    return [package for package in metadata["packages"] if package["id"] in built]


def fits(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met by allowed licences."""
    words = re.findall(r"\(|\)|[^\s()]+(?: WITH [^\s()]+)?", expression.replace("/", " OR "))

    def alternative(at: int) -> tuple[bool, int]:
        met, at = conjunction(at)
        while at < len(words) and words[at] == "OR":
            other, at = conjunction(at + 1)
            met = met or other
        return met, at

    def conjunction(at: int) -> tuple[bool, int]:
        met, at = term(at)
        while at < len(words) and words[at] == "AND":
            other, at = term(at + 1)
            met = met and other
        return met, at

    def term(at: int) -> tuple[bool, int]:
        if words[at] == "(":
            met, at = alternative(at + 1)
            return met, at + 1
        return words[at] in allowed, at + 1

    return alternative(0)[0]


def test_every_licence_may_be_passed_on() -> None:
    allowed = set(rules()["licenses"]["allow"])
    strangers = {
        package["name"]: package["license"] for package in packages() if not fits(package["license"] or "none", allowed)
    }
    assert strangers == {}


def test_everything_comes_from_the_registry_or_from_here() -> None:
    assert {package["source"] for package in packages()} <= {None, CRATES_IO}


def test_no_crate_is_built_in_two_versions() -> None:
    skipped = {entry["crate"] for entry in rules()["bans"]["skip"]}
    built = [package for package in packages() if f"{package['name']}@{short(package['version'])}" not in skipped]
    assert [name for name, count in Counter(package["name"] for package in built).items() if count > 1] == []


def short(version: str) -> str:
    """The part that Cargo takes for one release line: the two first numbers of a version before 1.0, else the first."""
    numbers = version.split(".")
    return ".".join(numbers[:2] if numbers[0] == "0" else numbers[:1])


def test_banned_crates_stay_out() -> None:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.split(r"[.+-]", version)[:3] if part.isdigit()]

    found = []
    for ban in rules()["bans"]["deny"]:
        name, _, below = ban["crate"].partition("@<")
        for package in packages():
            if package["name"] == name and (not below or numbers(package["version"]) < numbers(below)):
                found.append(f"{name} {package['version']}: {ban['reason']}")
    assert found == []


def test_licence_expressions_are_read_as_spdx_means_them() -> None:
    assert fits("MIT OR GPL-3.0-only", {"MIT"})
    assert fits("MIT/Apache-2.0", {"Apache-2.0"})
    assert not fits("MIT AND GPL-3.0-only", {"MIT"})
    assert fits("(MIT OR Apache-2.0) AND Unicode-3.0", {"MIT", "Unicode-3.0"})
    assert fits("Apache-2.0 WITH LLVM-exception", {"Apache-2.0 WITH LLVM-exception"})
    assert not fits("Apache-2.0 WITH LLVM-exception", {"MIT"})
