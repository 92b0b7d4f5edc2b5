"""The layout's arrows, read from cargo's own graph: who may know whom, and who may reach PyO3, rustls and SQLite."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import pytest

# What each crate may name. A crate that is not in this table has no place in the layout yet: give it one.
MAY_KNOW = {
    "turnout-config": set[str](),
    "turnout-net": set[str](),
    "turnout-states": set[str](),
    "turnout-testkit": set[str](),
    "turnout-top": set[str](),
    "turnout-history": {"turnout-states"},
    "turnout-http": {"turnout-net"},
    "turnout-client": {"turnout-net"},
    "turnout-supervisor": {"turnout-net"},
    "turnout-admin": {"turnout-history", "turnout-http", "turnout-net", "turnout-states"},
    "turnout-lab": {"turnout-http", "turnout-net"},
    "turnout-py": {
        "turnout-admin",
        "turnout-client",
        "turnout-config",
        "turnout-history",
        "turnout-http",
        "turnout-lab",
        "turnout-net",
        "turnout-states",
        "turnout-supervisor",
        "turnout-top",
    },
}
# What tests alone may name besides.
TESTS_MAY_KNOW = {"turnout-testkit", "turnout-lab"}

# A dependency whose name starts so is reached through these crates of ours and no others.
REACHED_THROUGH = {
    "pyo3": {"turnout-py"},
    "rustls": {"turnout-net", "turnout-client"},
    "rusqlite": {"turnout-history"},
}

ROOT = Path(__file__).resolve().parent.parent


class Graph:
    """The packages of the workspace and what each of them names, as cargo resolved it."""

    def __init__(self, metadata: dict[str, object]) -> None:
        self.names = {package["id"]: package["name"] for package in metadata["packages"]}
        self.members = {self.names[member] for member in metadata["workspace_members"]}
        self.edges: dict[str, dict[str, set[str]]] = {}
        for node in metadata["resolve"]["nodes"]:
            edges = self.edges.setdefault(self.names[node["id"]], {})
            for dependency in node["deps"]:
                kinds = {kind["kind"] or "normal" for kind in dependency["dep_kinds"]}
                edges.setdefault(self.names[dependency["pkg"]], set()).update(kinds)

    def named(self, package: str, *kinds: str) -> set[str]:
        """The packages that `package` names directly in one of the kinds (normal, build, dev)."""
        return {name for name, found in self.edges.get(package, {}).items() if found & set(kinds)}

    def path(self, start: str, target: str, closed: set[str]) -> list[str] | None:
        """A way from `start` to a package named `target...` that enters no package of `closed`."""
        ways = [[start]]
        seen = {start}
        while ways:
            way = ways.pop()
            for name in self.named(way[-1], "normal", "build", *(["dev"] if len(way) == 1 else [])):
                if name == target or name.startswith(f"{target}-"):
                    return [*way, name]
                if name not in seen and name not in closed:
                    seen.add(name)
                    ways.append([*way, name])
        return None


@functools.cache
def graph() -> Graph:
    host = next(
        line.removeprefix("host: ")
        for line in subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout.splitlines()
        if line.startswith("host: ")
    )
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", host]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return Graph(json.loads(answer.stdout))


def test_every_crate_has_a_place_in_the_layout() -> None:
    assert graph().members <= MAY_KNOW.keys()


@pytest.mark.parametrize("crate", sorted(MAY_KNOW))
def test_arrows_point_one_way(crate: str) -> None:
    ours = graph().members
    assert graph().named(crate, "normal", "build") & ours <= MAY_KNOW[crate]
    assert graph().named(crate, "dev") & ours <= MAY_KNOW[crate] | TESTS_MAY_KNOW | {crate}


@pytest.mark.parametrize("foreign", sorted(REACHED_THROUGH))
def test_foreign_parts_are_reached_where_they_belong(foreign: str) -> None:
    through = REACHED_THROUGH[foreign]
    ways = [graph().path(crate, foreign, closed=through) for crate in sorted(graph().members - through)]
    strays = [" -> ".join(way) for way in ways if way]
    assert strays == []


def test_a_wrong_arrow_is_seen() -> None:
    wrong = Graph(
        {
            "packages": [{"id": name, "name": name} for name in ("turnout-http", "helper", "pyo3-ffi")],
            "workspace_members": ["turnout-http"],
            "resolve": {
                "nodes": [
                    {"id": "turnout-http", "deps": [{"pkg": "helper", "dep_kinds": [{"kind": None}]}]},
                    {"id": "helper", "deps": [{"pkg": "pyo3-ffi", "dep_kinds": [{"kind": None}]}]},
                ]
            },
        }
    )
    assert wrong.path("turnout-http", "pyo3", closed=set()) == ["turnout-http", "helper", "pyo3-ffi"]
