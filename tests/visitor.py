"""A session over a socket: what a visitor asks, step by step, and what comes back, without what differs by chance."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from masks import masked, without_servers

SECONDS = 60.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Said by the server for itself, about the connection; cookies are compared apart.
NOT_COMPARED = {"date", "server", "connection", "keep-alive", "transfer-encoding", "set-cookie"}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([A-Za-z0-9]+)"')
# The demo says how long its calls took, and by whom it is served.
DEMOS_OWN = re.compile(r'(?<=_ms": )[\d.]+|(?<=Served by )[^<]*')


@dataclass
class Step:
    """One request and what came of it."""

    asked: str
    status: str
    headers: list[str]
    cookies: list[str]
    body: str
    #: Signals and log records, when the application is watched.
    events: list[Any] = field(default_factory=list)


class Visitor:
    """Keeps cookies, follows nothing, and asks one thing after the other on connections of its own."""

    def __init__(self, port: int, record: Path | None) -> None:
        self._port = port
        self._record = record
        self._seen = 0
        self.jar: dict[str, str] = {}
        self.steps: list[Step] = []
        self.body = b""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Step:
        """One step."""
        sent = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            self.body = response.read()
            lines = response.getheaders()
        finally:
            connection.close()
        self._keep_cookies([value for name, value in lines if name.lower() == "set-cookie"])
        body, chance = self._shown()
        # A tag is a hash of the body with all that is masked, and a length counts it: compression has a random tail.
        chance = chance or any(name.lower() == "content-encoding" for name, _ in lines)
        masks = NOT_COMPARED | ({"etag", "content-length"} if chance else set())
        step = Step(
            f"{method} {path}",
            f"{response.status} {response.reason}",
            sorted(masked(f"{name.title()}: {value}") for name, value in lines if name.lower() not in masks),
            sorted(masked(value.strip()) for name, value in lines if name.lower() == "set-cookie"),
            body,
            self._events(),
        )
        self.steps.append(step)
        return step

    def post(self, path: str, form_at: str | None = None, **fields: str) -> Step:
        """A form: its page first, for the token."""
        fields["csrfmiddlewaretoken"] = self.token(form_at or path)
        return self.ask("POST", path, urlencode(fields).encode(), **FORM)

    def upload(self, path: str, token: str, *files: tuple[str, str, bytes], **fields: str) -> Step:
        """Multipart, as browsers send it."""
        edge = b"----a-boundary"
        parts = [
            b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), value.encode())
            for name, value in {"csrfmiddlewaretoken": token, **fields}.items()
        ]
        parts += [
            b'Content-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: application/x-test\r\n\r\n%s'
            % (name.encode(), filename.encode(), content)
            for name, filename, content in files
        ]
        body = b"".join(b"--%s\r\n%s\r\n" % (edge, part) for part in parts) + b"--%s--\r\n" % edge
        return self.ask("POST", path, body, Content_Type=f"multipart/form-data; boundary={edge.decode()}")

    def token(self, path: str) -> str:
        """The token of the form at `path`."""
        self.ask("GET", path)
        found = TOKEN.search(self.body.decode())
        assert found, f"{path} has no form: {self.steps[-1]}"
        return found[1]

    def _keep_cookies(self, lines: list[str]) -> None:
        for line in lines:
            pair, *more = line.strip().split(";")
            name, _, value = pair.partition("=")
            if any(attribute.strip().lower() == "max-age=0" for attribute in more):
                self.jar.pop(name, None)
            else:
                self.jar[name] = value

    def _shown(self) -> tuple[str, bool]:
        """The body as text, and whether something in it is masked."""
        # Compressed text has a random tail (against BREACH): what it says counts.
        body = gzip.decompress(self.body) if self.body[:2] == b"\x1f\x8b" else self.body
        text = body.decode("utf-8", "backslashreplace")
        shown = DEMOS_OWN.sub("<varies>", without_servers(masked(text)))
        return shown, shown != text

    def _events(self) -> list[Any]:
        """What was noted since the step before, once the request has finished."""
        if self._record is None:
            return []
        deadline = time.monotonic() + SECONDS
        while True:
            events = [json.loads(line) for line in self._lines()[self._seen :]]
            if events and events[-1][1] == "request_finished":
                self._seen += len(events)
                return events
            assert time.monotonic() < deadline, f"request_finished never came: {events}"
            time.sleep(0.002)

    def _lines(self) -> list[str]:
        assert self._record is not None
        return self._record.read_text().splitlines() if self._record.exists() else []


def whole_session(visitor: Visitor) -> None:
    """Comes, logs in, writes, uploads, streams, asks again for what it has, meets errors, logs out."""
    ask, post, upload = visitor.ask, visitor.post, visitor.upload
    ask("GET", "/")
    ask("GET", "/", Accept_Language="de")
    ask("HEAD", "/")
    ask("GET", "/notes/")
    ask("GET", "/notes")
    post("/login/?next=/notes/", username="visitor", password="wrong")
    ask("POST", "/login/", b"username=visitor&password=secret", **FORM)
    post("/login/?next=/notes/", username="visitor", password="secret")
    for path in ("/notes/", "/async-notes/"):
        post(path, text="Grüße & mehr")
        ask("GET", path)
        ask("GET", path, Accept_Language="fr, en;q=0.5")
        post(path, text="")
        ask("HEAD", path)
        ask("POST", path, b"text=forged", **FORM)
    token = visitor.token("/notes/")
    small, large = b"small\0" * 100, bytes(range(256)) * 12_000
    for path in ("/upload/", "/async-upload/"):
        upload(path, token, ("one", "ä.txt", small), ("two", "b.bin", b""), title="two")
        upload(path, token, ("one", "large.bin", large))
        upload(path, token, title="x" * 2_000_000)
        ask("POST", path, b"csrfmiddlewaretoken=" + token.encode() + b"&a=%C3%A4", **FORM)
        ask("POST", path, b"--x\r\nbroken", Content_Type="multipart/form-data; boundary=x", X_CSRFToken=token)
    for path in ("/stream/", "/async-stream/", "/file/"):
        ask("GET", path)
        ask("HEAD", path)
        ask("GET", path, Accept_Encoding="gzip")
    for path in ("/page/", "/async-page/"):
        ask("GET", path)
        tag = next((line.partition(": ")[2] for line in visitor.steps[-1].headers if line.startswith("Etag")), "")
        assert tag
        ask("GET", path, If_None_Match=tag)
        ask("HEAD", path, If_None_Match=tag)
        ask("GET", path, If_None_Match='"other"')
        ask("GET", path, If_Modified_Since="Sat, 01 Jun 2024 00:00:00 GMT")
        ask("GET", path, Accept_Encoding="gzip")
        ask("PUT", path, b"x", If_Match='"other"', X_CSRFToken=token)
        ask("DELETE", path, X_CSRFToken=token)
    for path in ("/cookies/", "/async-cookies/"):
        ask("GET", path)
    for path in ("/broken/", "/async-broken/", "/denied/", "/async-suspicious/", "/nowhere/", "/%C3%A4/?q=%FF"):
        ask("GET", path)
        ask("HEAD", path)
        ask("POST", path, b"a=1", X_CSRFToken=token, **FORM)
    ask("GET", "/", Host="elsewhere")
    ask("POST", "/notes", b"text=x", X_CSRFToken=token, **FORM)
    ask("OPTIONS", "/page/")
    in_the_admin(visitor, "session_site/note", text="by admin", owner="1")
    post("/logout/", "/notes/")
    ask("GET", "/notes/")
    ask("GET", "/")
    ask("POST", "/logout/", b"", **FORM)


def in_the_admin(visitor: Visitor, model: str, **fields: str) -> None:
    """Adds, finds, changes and deletes one object."""
    ask, post = visitor.ask, visitor.post
    ask("GET", "/admin/")
    ask("HEAD", "/admin/")
    post(f"/admin/{model}/add/", **fields)
    ask("GET", f"/admin/{model}/")
    ask("GET", f"/admin/{model}/?q=admin&o=1")
    post(f"/admin/{model}/add/", **{name: "" for name in fields})
    post(f"/admin/{model}/1/change/", **{**fields, "_continue": "1"})
    ask("GET", f"/admin/{model}/1/history/")
    ask("GET", f"/admin/{model}/999/change/")
    post(f"/admin/{model}/1/delete/", post="yes")
    ask("GET", f"/admin/{model}/")
    ask("GET", "/admin/jsi18n/")
    ask("GET", "/admin/nowhere")
