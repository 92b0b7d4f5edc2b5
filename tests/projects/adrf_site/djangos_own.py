"""Requests answered by Django's own ASGIHandler, for comparison: JSON lines in and out.

A line is [method, path, [[name, value], ...], body]; the answer is [status, [[name, value], ...], body].
"""

import asyncio
import json
import sys

from apis.asgi import application


async def answer(method, path, headers, body):
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 4000),
        "server": ("127.0.0.1", 8000),
    }
    sent, leaves = [], asyncio.Event()
    inbox = [{"type": "http.request", "body": body.encode("latin-1"), "more_body": False}]

    async def receive():
        if inbox:
            return inbox.pop()
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    start, *bodies = sent
    found = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    # What every server does with it (RFC 9110 sections 9.3.2 and 15.3.5).
    bare = method == "HEAD" or start["status"] in (204, 304)
    content = b"" if bare else b"".join(message.get("body", b"") for message in bodies)
    return start["status"], found, content.decode("latin-1")


async def main(answers):
    for line in sys.stdin:
        print(json.dumps(await asyncio.wait_for(answer(*json.loads(line)), 30)), file=answers, flush=True)


if __name__ == "__main__":
    # What the project prints is no answer.
    out, sys.stdout = sys.stdout, sys.stderr
    asyncio.run(main(out))
