"""Bodies as bytes, and bytes as text: what the native half asks Python for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode


def dumps(value: Any) -> bytes:
    """JSON as it is sent: without spaces, in UTF-8, without NaN, which JSON does not have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def form(data: Any, files: Any) -> tuple[Any, str | None]:
    """The body and its type for `data=` and `files=`."""
    if files is not None:
        raise NotImplementedError("multipart bodies")
    if isinstance(data, (bytes, str)) or hasattr(data, "read"):
        return data, None
    pairs = list(data.items()) if hasattr(data, "items") else list(data)
    return urlencode(pairs, doseq=True).encode(), "application/x-www-form-urlencoded"


def text(content: bytes, encoding: str) -> str:
    """Decode what may not be what it says."""
    try:
        return content.decode(encoding, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
