"""One request of a test client, answered by one of six handlers: Django's two, and turnout's chains for either kind.

Runs in a forked child (turnout_differential.py), so that nothing it does, patches or leaves behind reaches anybody
else. What is noted is all that a client or the project could tell handlers apart by.
"""

import asyncio
import contextvars
import io
import logging
import time
from http.client import responses

from django.core import mail, signals
from django.core.cache import close_caches
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.db.models import signals as model_signals
from django.test.signals import template_rendered
from django.urls import get_script_prefix, get_urlconf
from django.utils import timezone, translation

from turnout._turnout import Sending
from turnout.django import shipped
from turnout.django.handler import DjangoHandler
from turnout.django.leaving import Waits

DJANGOS = ("wsgi", "asgi")
OURS = ("wsgi sync", "wsgi async", "asgi sync", "asgi async")
# What a response may tell of the handler without anybody listening or logging.
VISIBLE = ("status", "headers", "cookies", "body", "raised", "queries", "written", "mails", "connections")
# And with.
ALL = (*VISIBLE, "signals", "logs")


def replay(environ, handler, now, *, watched):
    """What came of it, as plain data. `watched`: signals and log records too, which rules out some shortcuts."""
    share_connections()
    # All answers to a request are made at the same second.
    time.time = lambda: now
    noted = Noted(watched)
    answer = {"status": None, "headers": [], "cookies": [], "body": "", "raised": None}
    # As a request reaches a server: without the language, time zone or URLconf of the test that asks.
    try:
        contextvars.Context().run(ANSWERS[handler], environ, answer)
    except Exception as error:
        # To the server, which cuts the connection if a part of the answer was sent, else answers with 500.
        answer["raised"] = f"{type(error).__name__}: {error}"
    return {**answer, **noted.all()}


def share_connections():
    """Every thread that serves uses the connections of the test, whose transaction they see."""
    own = {alias: connections[alias] for alias in connections}
    for connection in own.values():
        connection.inc_thread_sharing()
    connections.create_connection = own.__getitem__


class Noted:
    """What happens beside the answer."""

    def __init__(self, watched):
        self.watched = watched
        self.signals = []
        self.logs = []
        self.mails = len(getattr(mail, "outbox", ()))
        self.before = {connection.alias: _changes(connection) for connection in connections.all()}
        for connection in connections.all():
            connection.force_debug_cursor = True
            connection.queries_log.clear()
        if watched:
            self._listen()

    def all(self):
        open_connections = [connection for connection in connections.all() if connection.connection is not None]
        return {
            "queries": [f"{made.alias}: {query['sql']}" for made in open_connections for query in made.queries_log],
            "written": {made.alias: _changes(made) - self.before[made.alias] for made in open_connections},
            "connections": [
                f"{made.alias}: {made.in_atomic_block} {len(made.savepoint_ids)} {made.needs_rollback}"
                f" {len(made.run_on_commit)} {made.get_autocommit()}"
                for made in open_connections
            ],
            "mails": [f"{m.subject} {m.to} {m.body}" for m in getattr(mail, "outbox", ())[self.mails :]],
            "signals": self.signals,
            "logs": self.logs,
        }

    def _listen(self):
        def note(name, *what):
            def receiver(sender, signal, **given):
                said = " ".join(f"{key}={_named(given[key])}" for key in what if key in given)
                self.signals.append(f"{name} {_named(sender)} {said}".strip())

            return receiver

        def rendered(sender, signal, template, context, **given):
            state = f"{translation.get_language()} {timezone.get_current_timezone_name()} {get_urlconf()}"
            self.signals.append(f"rendered {template.name} in {state} below {get_script_prefix()}")

        def requests(name):
            def receiver(sender, signal, **given):
                self.signals.append(f"{name} {_named(sender)} {sorted(given)}")

            return receiver

        self._receivers = {
            signals.request_started: requests("started"),
            signals.request_finished: requests("finished"),
            signals.got_request_exception: requests("exception"),
            template_rendered: rendered,
            model_signals.pre_save: note("pre_save", "raw", "using"),
            model_signals.post_save: note("post_save", "created", "using"),
            model_signals.post_delete: note("post_delete", "using"),
            model_signals.m2m_changed: note("m2m_changed", "action"),
        }
        for signal, receiver in self._receivers.items():
            signal.connect(receiver)
        logs = self.logs

        theirs = logging.Logger.callHandlers

        def call_handlers(logger, record):
            theirs(logger, record)
            if record.name.partition(".")[0] == "turnout":
                # What the server says to its operator is no part of the answer.
                return
            error = record.exc_info and f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
            extra = f"{getattr(record, 'status_code', None)} {type(getattr(record, 'request', None)).__name__}"
            logs.append(f"{record.name} {record.levelname} {record.msg!r} {record.args!r} {error} {extra}")

        logging.Logger.callHandlers = call_handlers


def _changes(connection):
    """How many rows were written so far."""
    raw = connection.connection
    return raw.total_changes if raw is not None and hasattr(raw, "total_changes") else 0


def _named(thing):
    return f"{thing.__module__}.{thing.__qualname__}" if isinstance(thing, type) else repr(thing)


# --- Django's handlers, as a plain server calls them ---


def django_wsgi(environ, answer):
    assert_untouched(WSGIHandler)
    application = WSGIHandler()

    def start_response(status, headers, exc_info=None):
        code, _, reason = status.partition(" ")
        fill_head(answer, int(code), headers)
        # An ASGI server makes the reason itself.
        answer["status"] = f"{code} {reason}"

    body = application(environ, start_response)
    try:
        fill_body(answer, b"".join(body))
    finally:
        body.close()


def django_asgi(environ, answer):
    assert_untouched(ASGIHandler)
    application = ASGIHandler()
    chunks = []

    async def main():
        inbox = asyncio.Queue()
        inbox.put_nowait({"type": "http.request", "body": environ["wsgi.input"].read(), "more_body": False})

        async def send(message):
            if message["type"] == "http.response.start":
                headers = [(name.decode("ascii"), value.decode("latin1")) for name, value in message["headers"]]
                fill_head(answer, message["status"], headers)
            else:
                chunks.append(message.get("body", b""))

        await application(scope_of(environ), inbox.get, send)

    try:
        asyncio.run(main())
    finally:
        fill_body(answer, b"".join(chunks))


def assert_untouched(kind):
    """The reference is what Django ships."""
    assert not shipped.overridden(kind)
    assert not shipped.replaced(kind)
    assert {reset_urlconf, close_caches} <= {receiver[1]() for receiver in signals.request_finished.receivers}


# --- turnout's chains ---


def ours_sync(kind):
    def run(environ, answer):
        # Rust's part, without a loop: an async iterator is collected on one.
        handler = DjangoHandler((WSGIHandler if kind == "wsgi" else ASGIHandler)())
        try:
            source, body = source_of(kind, environ)
            waits = Waits()
            response = handler.serve_sync(source, body, waits)
            status, reason, headers, content = handler.answer(response)
            fill_head(answer, status, headers, reason if kind == "wsgi" else None)
            if content is not None:
                fill_body(answer, content)
                handler.finish_sync(response)
                return
            guest = handler.begin_stream(response)
            if guest.is_async:
                guest.leave_for_loop()
                asyncio.run(collect(lambda exchange: handler.stream_async(guest.response, exchange), kind, answer))
            else:
                try:
                    fill_body(answer, b"".join(guest))
                finally:
                    guest.finish()
        finally:
            handler.close()

    return run


def ours_async(kind):
    def run(environ, answer):
        async def main():
            application = (WSGIHandler if kind == "wsgi" else ASGIHandler)()
            handler = DjangoHandler(application, loop=asyncio.get_running_loop())
            try:
                source, body = source_of(kind, environ)
                await collect(lambda exchange: handler.serve_async(source, body, exchange), kind, answer)
            finally:
                handler.close()

        asyncio.run(main())

    return run


class Exchange:
    """Rust's part for a request on the loop."""

    disconnected = False
    incoming = None

    def __init__(self, kind, answer):
        self._kind = kind
        self._answer = answer
        self._chunks = []

    def respond(self, status, headers, body, reason=None):
        self.start(status, headers, reason)
        self._chunks.append(body)

    def respond_file(self, status, headers, file, reason=None):
        # No file for Rust here: it is streamed.
        return None

    def start(self, status, headers, reason=None):
        words = reason or responses.get(status, "Unknown Status Code")
        fill_head(self._answer, status, headers, words if self._kind == "wsgi" else None)

    async def write(self, chunk):
        self._chunks.append(chunk)

    def pull(self, source, make_bytes, plain):
        return Sending(source, make_bytes, plain, self)

    def end(self):
        pass

    def abort(self):
        self._answer["raised"] = "cut off"

    def finish(self):
        pass

    def fill_body(self):
        fill_body(self._answer, b"".join(self._chunks))


async def collect(serve, kind, answer):
    exchange = Exchange(kind, answer)
    await serve(exchange)
    exchange.fill_body()


def source_of(kind, environ):
    body = io.BytesIO(environ["wsgi.input"].read())
    if kind == "asgi":
        return scope_of(environ), body
    return {**environ, "wsgi.input": body}, body


ANSWERS = {
    "wsgi": django_wsgi,
    "asgi": django_asgi,
    "wsgi sync": ours_sync("wsgi"),
    "wsgi async": ours_async("wsgi"),
    "asgi sync": ours_sync("asgi"),
    "asgi async": ours_async("asgi"),
}


def fill_head(answer, status, headers, reason=None):
    """Order of fields means nothing; how often one comes does."""
    answer["status"] = f"{status} {reason}" if reason is not None else str(status)
    answer["headers"] = sorted(f"{name}: {value}" for name, value in headers if name.lower() != "set-cookie")
    # A space before the first cookie's name, from Django 5.2 under WSGI, is not part of the field's value.
    answer["cookies"] = sorted(value.strip() for name, value in headers if name.lower() == "set-cookie")


def fill_body(answer, body):
    answer["body"] = body.decode("utf-8", "backslashreplace")


def scope_of(environ):
    """The ASGI scope of the same request."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode("ascii"), str(value).encode("latin1"))
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value not in ("", None))
    ]
    path = environ["PATH_INFO"].encode("latin1").decode("utf-8", "replace")
    root = environ.get("SCRIPT_NAME", "").encode("latin1").decode("utf-8", "replace")
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", str(environ["SERVER_NAME"]).encode("latin1")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": root + path,
        "raw_path": (root + path).encode(),
        "query_string": environ.get("QUERY_STRING", "").encode("latin1"),
        "root_path": root,
        "headers": headers,
        "client": (environ["REMOTE_ADDR"], 40000),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "state": {},
    }
