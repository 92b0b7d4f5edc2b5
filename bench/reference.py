"""How exact the three states are on views of known make-up, and what is found of them.

    python -m bench.reference [--seconds 6]

Asks the views of the reference project (tests/reference.py says how, and by which clocks) and prints a table for
results/snapshot-states.md. The bar: each share within 5 points, each finding that a view provokes found, and no other.
PostgreSQL and Redis are started for it, as the tests do: the environment is that of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
BAR = 0.05


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each view")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    outcome = importlib.import_module("reference").run(lambda _: options.seconds)
    columns = ["view", "requests", *(f"{share} {who}" for share in ("P", "C", "W", "line") for who in ("true", "said"))]
    print("|", " | ".join([*columns, "off, points", ""]), "|")
    print("|", " | ".join(["---"] * (len(columns) + 2)), "|")
    good = True
    for view, seen in outcome.shares.items():
        holds = seen.off <= BAR
        good &= holds
        pairs = [f"{share:.1%}" for pair in zip(seen.truth, seen.said, strict=True) for share in pair]
        cells = [view, str(seen.requests), *pairs, f"{seen.off * 100:.1f}", "" if holds else "**off**"]
        print("|", " | ".join(cells), "|")
    print()
    for (finding, view), text in outcome.found.items():
        print(f"- {finding}, {view}: {text}")
    for word, pairs in (("missing", outcome.missing), ("invented", outcome.invented)):
        print(f"\n{word}: {', '.join(' '.join(pair) for pair in pairs) or 'none'}")
        good &= not pairs
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
