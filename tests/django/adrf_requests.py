"""What is asked of adrf_site in turn, of turnout and of Django's own handler: method, path, headers, body.

`ON_LOOP` holds nothing that needs a thread; `MAY_BLOCK` needs one, for the database or for code of the project's.
"""

from __future__ import annotations

import base64
import json
from typing import NamedTuple


class Asked(NamedTuple):
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


def _basic(name: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{name}'s".encode()).decode()


def _token(name: str, keyword: str = "Token") -> tuple[str, str]:
    return "Authorization", f"{keyword} {name}-token"


def _session(name: str) -> tuple[str, str]:
    return "Cookie", "sessionid=" + f"{name}sessionkey".ljust(32, "0")


def _post(path: str, *headers: tuple[str, str], method: str = "POST", data: object = None) -> Asked:
    body = json.dumps({"a": [1, "é"]} if data is None else data)
    return Asked(path, method, (("Content-Type", "application/json"), *headers), body)


def _accepts(path: str, what: str) -> Asked:
    return Asked(path, headers=(("Accept", what),))


FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
UPLOAD = (("Content-Type", "multipart/form-data; boundary=b"),)
UPLOADED = '--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nfile\r\n--b--\r\n'
TOKEN = "A" * 32
WITH_TOKEN = ("Cookie", f"{_session('ada')[1]}; csrftoken={TOKEN}")

ON_LOOP = [
    # DRF's defaults, nobody logged in.
    Asked("/says/"),
    Asked("/says/", "HEAD"),
    Asked("/waits/"),
    Asked("/plain/"),
    Asked("/function/"),
    _post("/function/"),
    _post("/says/"),
    Asked("/says/", "POST", FORM, "a=1&a=2&b=%C3%A9"),
    Asked("/says/", "POST"),
    # What nobody implements, and what DRF implements itself.
    Asked("/says/", "DELETE"),
    Asked("/says/", "OPTIONS"),
    Asked("/session/", "OPTIONS"),
    # Bodies that cannot be parsed.
    Asked("/says/", "POST", (("Content-Type", "application/json"),), "{not json"),
    Asked("/says/", "POST", (("Content-Type", "application/json; charset=bz2"),), "{}"),
    Asked("/says/", "POST", (("Content-Type", "application/xml"),), "<a/>"),
    Asked("/json-only/", "POST", FORM, "a=1"),
    Asked("/says/", "POST", UPLOAD, "--nonsense"),
    # Credentials that are none, and those that are refused at sight.
    Asked("/says/", headers=(("Authorization", "Digest x"),)),
    Asked("/says/", headers=(("Authorization", "Basic"),)),
    Asked("/says/", headers=(("Authorization", "basic a b"),)),
    Asked("/tells-apart/", headers=(("Authorization", "Token"),)),
    Asked("/bearer/", headers=(_token("ada"),)),
    # 401 with a challenge, 403 without.
    Asked("/tells-apart/"),
    Asked("/bearer/"),
    Asked("/staff/"),
    Asked("/session/"),
    _post("/session/"),
    Asked("/model-permissions/"),
    # Negotiation.
    _accepts("/says/", "application/json"),
    _accepts("/says/", "text/plain, application/*;q=0.5"),
    _accepts("/says/", "text/csv"),
    _accepts("/json-only/", "text/html"),
    Asked("/says/?format=json"),
    Asked("/says/?format=xml"),
    Asked("/renders/?format=json"),
    # Versioning.
    _accepts("/by-accept/", "application/json; version=3"),
    Asked("/by-path/v2/"),
    Asked("/by-path/v3/"),
    Asked("/by-query/?v=2"),
    Asked("/by-query/?v=7"),
    Asked("/by-query/"),
    Asked("/one/by-namespace/"),
    Asked("/by-host/"),
    # The handler's exceptions.
    *(Asked(f"/fails/?how={how}") for how in ("missing", "denied", "invalid", "teapot")),
    # JSON of small things.
    *(Asked(f"/shapes/?of={of}") for of in ("nothing", "text", "empty", "made")),
    # Throttled in this process's memory, until it says no.
    *[Asked("/throttled/")] * 4,
    *[Asked("/scoped/")] * 2,
]
MAY_BLOCK = [
    # Uploaded files are closed on a thread.
    Asked("/says/", "POST", UPLOAD, UPLOADED),
    # The database says who it is.
    *(Asked("/says/", headers=(header,)) for header in (_basic("ada"), _basic("gone"), _basic("nobody"))),
    Asked("/says/", headers=(("Authorization", "Basic ****"),)),
    Asked("/tells-apart/", headers=(_basic("ada"),)),
    Asked("/tells-apart/", headers=(_token("ada"),)),
    Asked("/tells-apart/", headers=(_token("gone"),)),
    Asked("/tells-apart/", headers=(_token("nobody"),)),
    Asked("/bearer/", headers=(_token("ada", "Bearer"),)),
    Asked("/says/", headers=(_session("ada"),)),
    Asked("/says/", headers=(_session("gone"),)),
    Asked("/says/", headers=(_session("nobody"),)),
    Asked("/session/", headers=(_session("ada"),)),
    _post("/session/", _session("ada")),
    _post("/session/", ("Cookie", f"{_session('ada')[1]}; csrftoken={TOKEN}"), ("X-CSRFToken", TOKEN)),
    Asked(
        "/session/",
        "POST",
        (*FORM, ("Cookie", f"{_session('ada')[1]}; csrftoken={TOKEN}")),
        f"csrfmiddlewaretoken={TOKEN}&a=1",
    ),
    Asked("/staff/", headers=(_token("ada"),)),
    Asked("/staff/", headers=(_token("root"),)),
    Asked("/staff/", headers=(_session("root"),)),
    # Operators become coroutine functions.
    Asked("/combined/"),
    Asked("/combined/", headers=(_token("ada"),)),
    Asked("/combined/", headers=(_token("root"),)),
    # The project's own.
    Asked("/own-permission/"),
    Asked("/own-permission/?tuesday"),
    Asked("/set-there/"),
    Asked("/own-async-permission/"),
    Asked("/own-async-permission/?wednesday"),
    Asked("/own-authenticator/"),
    Asked("/own-authenticator/", headers=(("X-Name", "eve"),)),
    Asked("/own-authenticator/", headers=(("X-Name", "nobody"),)),
    Asked("/own-throttle/"),
    Asked("/own-throttle/?now"),
    Asked("/renders/"),
    Asked("/negotiates/"),
    Asked("/sync-function/"),
    _post("/router/stars/"),
    # The page of a 500 is rendered on a thread.
    Asked("/fails/?how=unhandled"),
    Asked("/shapes/?of=infinite"),
    *[Asked("/throttled/", headers=(_token("ada"),))] * 5,
    # The browsable API, and JSON that is indented, large, lazy, or odd.
    _accepts("/says/", "text/html"),
    _accepts("/says/", "text/html,application/xhtml+xml,*/*;q=0.8"),
    _accepts("/router/hotels/", "text/html"),
    _accepts("/says/", "application/json; indent=4"),
    *(Asked(f"/shapes/?of={of}") for of in ("lazy", "queryset", "large", "large+and+odd", "odd", "foreign")),
    # Viewsets and generic views over models.
    Asked("/router/"),
    Asked("/router/hotels/"),
    Asked("/router/hotels/?page=2"),
    Asked("/router/hotels/?page=9"),
    Asked("/router/hotels/?ordering=-stars&search=hotel"),
    Asked("/router/hotels/?search=4"),
    Asked("/router/hotels/best/"),
    Asked("/router/hotels/3/"),
    Asked("/router/hotels/99/"),
    Asked("/router/hotels/none/"),
    Asked("/router/hotels/", "OPTIONS"),
    _post("/router/hotels/", data={"name": "new"}),
    _post("/router/hotels/", _token("ada"), data={"name": "new"}),
    _post("/router/hotels/", _token("root"), data={"name": "new", "opened": "2024-02-30"}),
    _post("/router/hotels/", _token("root"), data={"name": "new", "opened": "2024-02-29"}),
    _post("/router/hotels/8/", _token("root"), method="PUT", data={"name": "newer", "stars": 5}),
    _post("/router/hotels/8/", _token("root"), method="PATCH", data={"stars": 4}),
    Asked("/router/hotels/8/"),
    Asked("/router/hotels/8/", "DELETE", (_token("root"),)),
    Asked("/router/hotels/8/", "HEAD"),
    Asked("/router/stars/"),
    Asked("/router/stars/3/"),
    Asked("/router/stars/1/"),
    Asked("/list/"),
    Asked("/list/?limit=3&offset=2"),
    _post("/list/", data={"stars": "many"}),
    Asked("/model-permissions/", headers=(_token("ada"),)),
]
