"""Bodies as bytes, and bytes as text: what the native half asks Python for."""

from __future__ import annotations

import json
from typing import Any


def dumps(value: Any) -> bytes:
    """JSON as it is sent: without spaces, in UTF-8, without NaN, which JSON does not have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def text(content: bytes, encoding: str) -> str:
    """Decode what may not be what it says."""
    try:
        return content.decode(encoding, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
