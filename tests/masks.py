"""What two answers of the same Django to the same request differ in: random tokens, the time, and where DEBUG's pages
show the server instead of the project."""

from __future__ import annotations

import re

_HTTP_DATE = r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT(?<!1970 00:00:00 GMT)"
_CHANCE = [
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r'(?<=name="csrfmiddlewaretoken" value=")[A-Za-z0-9]{64}', "<csrf>"),
        (r"(?<=csrftoken=)[A-Za-z0-9]{32,64}", "<csrf>"),
        (r"(?<=sessionid=)[a-z0-9]{32}", "<session>"),
        # Of a savepoint: its thread and its number there.
        (r"\bs\d+_x\d+\b", "<savepoint>"),
        # A session's key, and what is in it, signed, in SQL.
        (r"'[a-z0-9]{32}'", "'<session>'"),
        (r"'[\w.=-]+:\w{6}:[\w-]{43}'", "'<session data>'"),
        # A signature with its time.
        (r"(?<=:)\w{6}:[\w-]{43}", "<signature>"),
        (rf"(?<=expires=){_HTTP_DATE}", "<date>"),
        (rf"(?<=^Expires: ){_HTTP_DATE}", "<date>"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3,6}", "<time>"),
        # As the admin's history has it.
        (r"\b(?:[A-Z][a-z]+\.? \d{1,2},|\d{1,2} [A-Z][a-z]+\.?) \d{4}, (?:[\d:]+ [ap]\.m\.|noon|midnight)", "<time>"),
        (r"\b1[6-9]\d{8}\.\d+\b", "<time>"),
        (r"\b0x[0-9a-f]{6,16}\b", "<address>"),
    )
]
#: Of DEBUG's pages, as HTML or in a mail: the frames between server and view, META, the address and the port, the time,
#: sys.path (which depends on how the server was started), and settings that come from the environment.
_SERVERS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'(?<=<div id="traceback">).*?(?=<div id="requestinfo">)',
        r'(?<=<h3 id="meta-info">).*?(?=<h3 id="settings-info">)',
        r'(?<=<h3 id="settings-info">).*?(?=</table>)',
        r"(?<=Server time:</th>).*?(?=</tr>)",
        r"(?<=<td><pre><code>)\[.*?\](?=</code></pre></td>)",
        r"(?<=localhost):\d+",
        r"(?<=\nServer time: )[^\n]*",
        r"(?<=\nPython Path: )[^\n]*",
        r"(?<=\nTraceback \(most recent call last\):\n).*?(?=\nException Type: )",
        r"(?<=\nMETA:\n).*?(?=\nSettings:)",
    )
]


def masked(text: str) -> str:
    """Without what is chance."""
    for pattern, mask in _CHANCE:
        text = pattern.sub(mask, text)
    return text


def without_servers(text: str) -> str:
    """Without what shows the server."""
    for pattern in _SERVERS:
        text = pattern.sub("<the server's>", text)
    return text
