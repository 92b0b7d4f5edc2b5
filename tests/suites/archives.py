"""Source archives from PyPI with their tests, fetched once into .cache/suites, and environments of their own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "suites"


def source(name: str, version: str) -> Path:
    """The unpacked source archive of a release."""
    tree = CACHE / f"{name}-{version}"
    if not tree.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*fetch, f"{name}=={version}", "--dest", str(CACHE)], check=True)
        with tarfile.open(CACHE / f"{name}-{version}.tar.gz") as packed:
            packed.extractall(CACHE, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return tree


def environment(name: str, packages: list[str]) -> str:
    """This interpreter in an environment of its own with `packages`; the path of its program."""
    home = CACHE / f"venv-{name}-{sys.version_info.major}.{sys.version_info.minor}"
    done = home / "complete"
    wanted = "\n".join(packages)
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text(wanted)
    return str(home / "bin" / "python")
