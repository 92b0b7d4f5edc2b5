"""gunicorn's corpus of raw requests (MIT, from its source archive on PyPI), sent and compared with our list.

The archive is downloaded once into `.cache/`. What each file must give, and why, is in gunicorn_requests.toml; a file
that gives something else fails, also where it gives something better. Files of HTTP/1.1 without a Host are
sent a second time with one: otherwise the missing Host would hide what the file is about.

Run as a program it prints what a server answers: `python tests/suites/gunicorn_corpus.py HOST:PORT`.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"
VERSION = "27.0.1"
ARCHIVE = CACHE / f"gunicorn-{VERSION}.tar.gz"
# What a server says of itself when it is silent: it waits for more, or for another request.
QUIET = 0.4
PATIENCE = 5.0


@dataclass(frozen=True)
class Case:
    """One file: the bytes to send, and the same with a Host where HTTP/1.1 needs one and the file has none."""

    name: str
    raw: bytes
    with_host: bytes | None


def archive() -> Path:
    """gunicorn's source archive, downloaded once."""
    if not ARCHIVE.exists():
        CACHE.mkdir(exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        wanted = ["--no-deps", "--no-binary", ":all:", "--dest", str(CACHE), f"gunicorn=={VERSION}"]
        subprocess.run(download + wanted, check=True)
    return ARCHIVE


def corpus() -> list[Case]:
    """All files, as `valid/001` and so on."""
    return sorted(_cases(), key=lambda case: case.name)


def _cases() -> Iterator[Case]:
    with tarfile.open(archive()) as packed:
        for member in packed:
            found = re.fullmatch(r"[^/]+/tests/requests/((?:in)?valid/[^/]+)\.http", member.name)
            file = packed.extractfile(member) if found else None
            if found and file:
                raw = decode(file.read())
                yield Case(found[1], raw, add_host(raw))


def decode(text: bytes) -> bytes:
    r"""From the files' notation: real newlines mean nothing, `\r\n`, `\n`, `\t`, `\0` and `\xHH` mean bytes."""
    text = text.replace(b"\n", b"")
    plain = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}

    def byte(found: re.Match[bytes]) -> bytes:
        return plain.get(found[1]) or bytes([int(found[1][1:], 16)])

    return re.sub(rb"\\(r|n|t|0|x[0-9A-Fa-f]{2})", byte, text)


def add_host(raw: bytes) -> bytes | None:
    """The same with a Host in every request of HTTP/1.1; None where there is one already, or nothing that needs one."""
    if re.search(rb"\r\nhost[ \t]*:", raw, re.IGNORECASE):
        return None
    changed = re.sub(rb"( HTTP/1\.1\r\n)", rb"\1Host: a\r\n", raw)
    return None if changed == raw else changed


def answers(address: tuple[str, int], raw: bytes) -> list[int]:
    """The statuses a server answers with, to its end or until it is silent; then with our FIN: it may wait for more."""
    received = b""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        try:
            connection.sendall(raw)
            received, ended = _read(connection, QUIET)
            if not ended:
                connection.shutdown(socket.SHUT_WR)
                received += _read(connection, PATIENCE)[0]
        except ConnectionError:
            pass  # refused while we were sending, or closed with what it did not read
    return _statuses(received)


def _read(connection: socket.socket, quiet: float) -> tuple[bytes, bool]:
    connection.settimeout(quiet)
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except TimeoutError:
        return received, False
    except ConnectionError:
        pass
    return received, True


def _statuses(received: bytes) -> list[int]:
    """Walks over whole responses; what is no response is an error of the server."""
    statuses = []
    while received:
        found = re.match(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", received)
        if not found:
            raise AssertionError(f"not a response: {received[:200]!r}")
        statuses.append(int(found[1]))
        length = re.search(rb"(?im)^content-length: *(\d+)\r$", found[2])
        chunked = re.search(rb"(?im)^transfer-encoding: *chunked\r$", found[2])
        rest = received[found.end() :]
        if length:
            received = rest[int(length[1]) :]
        elif chunked:
            received = rest.partition(b"0\r\n\r\n")[2]
        else:
            received = b""
    return statuses


def ask_all(address: tuple[str, int], cases: list[Case]) -> dict[str, dict[str, list[int]]]:
    """For each file the answers to it as it is and, where that differs, with a Host."""
    with ThreadPoolExecutor(16) as pool:
        raw = {case.name: pool.submit(answers, address, case.raw) for case in cases}
        hosted = {case.name: pool.submit(answers, address, case.with_host) for case in cases if case.with_host}
        given = {name: {"answers": job.result()} for name, job in raw.items()}
        for name, job in hosted.items():
            given[name]["with_host"] = job.result()
    return given


def main(address: str) -> None:
    """Prints what a server answers, as the lines of the list that are facts."""
    host, port = address.rsplit(":", 1)
    for name, given in ask_all((host, int(port)), corpus()).items():
        print(f'["{name}"]', *(f"{key} = {value}" for key, value in given.items()), "", sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
