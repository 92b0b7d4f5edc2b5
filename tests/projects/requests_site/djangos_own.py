"""Requests answered by Django's own handlers, for comparison: `djangos_own.py asgi|wsgi`, JSON lines in and out.

WSGIHandler behind the stdlib's server, ASGIHandler called as a server calls it. A line is [method, path]; the answer is
[status, [[name, value], ...], body].
"""

import asyncio
import http.client
import importlib
import json
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def ask_wsgi(application):
    server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(method, path):
        client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        client.request(method, path)
        response = client.getresponse()
        return response.status, response.getheaders(), response.read()

    return ask


def ask_asgi(application):
    def ask(method, path):
        return asyncio.run(asyncio.wait_for(converse(application, method, path), 30))

    return ask


async def converse(application, method, path):
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 4000),
        "server": ("127.0.0.1", 8000),
    }
    sent, waiting = [], asyncio.Event()
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive():
        for request in requests:
            return request
        await waiting.wait()

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    start, *bodies = sent
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    body = b"".join(message.get("body", b"") for message in bodies)
    # What every server does with it (RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5).
    bare = method == "HEAD" or start["status"] in (204, 304)
    return start["status"], headers, b"" if bare else body


def main(kind):
    # What the project prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    application = importlib.import_module(f"shown.{kind}").application
    ask = {"asgi": ask_asgi, "wsgi": ask_wsgi}[kind](application)
    for line in sys.stdin:
        status, headers, body = ask(*json.loads(line))
        print(json.dumps([status, headers, body.decode("latin-1")]), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
