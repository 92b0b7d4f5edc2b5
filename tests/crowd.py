"""Many requests at a time from one thread: keep-alive connections that each ask one thing after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: Less than a test may take: what hangs is told by the answers that are missing.
SECONDS = 50.0


@dataclass
class Got:
    """One answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask_all(
    address: str,
    paths: Sequence[str],
    *,
    connections: int = 0,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> list[Got]:
    """Ask for every path, over so many connections at once (one for each path unless told): answers in that order."""
    asking = _ask_all(method, address, paths, connections or len(paths), headers or {})
    return asyncio.run(asyncio.wait_for(asking, SECONDS))


async def _ask_all(
    method: str, address: str, paths: Sequence[str], connections: int, headers: Mapping[str, str]
) -> list[Got]:
    parts = urlsplit(address)
    fields = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
    answers: dict[int, Got] = {}
    left = iter(enumerate(paths))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            for index, path in left:
                writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
                answers[index] = await _answer(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(connections)))
    return [answers[index] for index in range(len(paths))]


async def _answer(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
    return Got(int(head.split()[1]), await reader.readexactly(length))
