"""What is asked of adrf_site in turn, of turnout and of Django's own handler, and the hops that need a thread for it.

`ON_LOOP` needs none. `MAY_BLOCK` needs some, for the database ("vetted") or for code that nobody read ("foreign").
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import NamedTuple


class Asked(NamedTuple):
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    hops: tuple[str, ...] = ()


def _takes(*hops: str) -> Callable[..., list[Asked]]:
    return lambda *asked: [each._replace(hops=hops) for each in asked]


def basic(name: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{name}'s".encode()).decode()


def token(name: str, keyword: str = "Token") -> tuple[str, str]:
    return "Authorization", f"{keyword} {name}-token"


def session(name: str) -> tuple[str, str]:
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
WITH_TOKEN = ("Cookie", f"{session('ada')[1]}; csrftoken={TOKEN}")

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
    Asked("/bearer/", headers=(token("ada"),)),
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
    *(Asked(f"/fails/?how={how}") for how in ("missing", "denied", "invalid")),
    # JSON of small things.
    *(Asked(f"/shapes/?of={of}") for of in ("nothing", "text", "empty", "made")),
    # Throttled in this process's memory, until it says no.
    *[Asked("/throttled/")] * 4,
    *[Asked("/scoped/")] * 2,
]
# Finding the user, and what hangs on it.
_finds = _takes("vetted APIView.initial")
_own_stage = _takes("foreign APIView.initial")
_render = "foreign SimpleTemplateResponse.render"
_renders = _takes(_render)
_fails = _takes("foreign response_for_exception")
_page = "vetted PageNumberPagination.paginate_queryset"
_valid = "foreign BaseSerializer.is_valid"

MAY_BLOCK = [
    # Uploaded files are closed on a thread.
    *_takes("foreign _close_if_owed")(Asked("/says/", "POST", UPLOAD, UPLOADED)),
    *_finds(
        # Basic and token.
        *(Asked("/says/", headers=(header,)) for header in (basic("ada"), basic("gone"), basic("nobody"))),
        Asked("/says/", headers=(("Authorization", "Basic ****"),)),
        Asked("/tells-apart/", headers=(basic("ada"),)),
        *(Asked("/tells-apart/", headers=(token(name),)) for name in ("ada", "gone", "nobody")),
        Asked("/bearer/", headers=(token("ada", "Bearer"),)),
        # Session, with and without its token.
        *(Asked("/says/", headers=(session(name),)) for name in ("ada", "gone", "nobody")),
        Asked("/session/", headers=(session("ada"),)),
        _post("/session/", session("ada")),
        _post("/session/", WITH_TOKEN, ("X-CSRFToken", TOKEN)),
        Asked("/session/", "POST", (*FORM, WITH_TOKEN), f"csrfmiddlewaretoken={TOKEN}&a=1"),
        Asked("/staff/", headers=(token("ada"),)),
        Asked("/staff/", headers=(token("root"),)),
        Asked("/staff/", headers=(session("root"),)),
        # Operators become coroutine functions, which are waited for.
        Asked("/combined/"),
        Asked("/combined/", headers=(token("ada"),)),
        Asked("/combined/", headers=(token("root"),)),
        *[Asked("/throttled/", headers=(token("ada"),))] * 5,
    ),
    *_own_stage(
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
        Asked("/negotiates/"),
    ),
    # Views without coroutines run whole on a thread of the sync pool: no hop.
    Asked("/sync-function/"),
    Asked("/router/"),
    *_takes("foreign Stars.thread")(Asked("/router/stars/thread/")),
    *_fails(Asked("/fails/?how=unhandled"), Asked("/shapes/?of=infinite")),
    *_takes("foreign log_response")(Asked("/fails/?how=teapot")),
    *_renders(
        Asked("/renders/"),
        _accepts("/says/", "text/html"),
        _accepts("/says/", "text/html,application/xhtml+xml,*/*;q=0.8"),
        *(Asked(f"/shapes/?of={of}") for of in ("lazy", "queryset", "odd")),
    ),
    *_takes(_render, "foreign response_for_exception")(Asked("/shapes/?of=foreign")),
    *_takes("vetted render_if_plain")(
        _accepts("/says/", "application/json; indent=4"),
        Asked("/shapes/?of=large"),
    ),
    *_takes("vetted render_if_plain", _render)(Asked("/shapes/?of=large+and+odd")),
    # Viewsets and generic views over models.
    *_takes("vetted APIView.initial", _page, _render)(_accepts("/router/hotels/", "text/html")),
    *_takes("vetted APIView.initial", _page)(
        Asked("/router/hotels/"),
        Asked("/router/hotels/?page=2"),
        Asked("/router/hotels/?page=9"),
        Asked("/router/hotels/?ordering=-stars&search=hotel"),
        Asked("/router/hotels/?search=4"),
    ),
    *_finds(Asked("/router/hotels/?search=4,%00")),
    *_takes("vetted APIView.initial", "vetted QuerySet.first")(Asked("/router/hotels/best/")),
    *_takes("vetted APIView.initial", "vetted QuerySet.get")(
        Asked("/router/hotels/3/"),
        Asked("/router/hotels/3.json"),
        Asked("/router/hotels/99/"),
        Asked("/router/hotels/none/"),
    ),
    *_takes("vetted APIView.initial", "foreign APIView.options")(Asked("/router/hotels/", "OPTIONS")),
    *_finds(
        _post("/router/hotels/", data={"name": "new"}),
        _post("/router/hotels/", token("ada"), data={"name": "new"}),
    ),
    *_takes("vetted APIView.initial", _valid)(
        _post("/router/hotels/", token("root"), data={"name": "new", "opened": "2024-02-30"}),
    ),
    *_takes("vetted APIView.initial", _valid, "vetted QuerySet.create")(
        _post("/router/hotels/", token("root"), data={"name": "new", "opened": "2024-02-29"}),
    ),
    *_takes("vetted APIView.initial", "vetted QuerySet.get", _valid, "vetted Model.save")(
        _post("/router/hotels/8/", token("root"), method="PUT", data={"name": "newer", "stars": 5}),
        _post("/router/hotels/8/", token("root"), method="PATCH", data={"stars": 4}),
    ),
    *_takes("vetted APIView.initial", "vetted QuerySet.get")(Asked("/router/hotels/8/")),
    *_takes("vetted APIView.initial", "vetted QuerySet.get", "vetted Model.delete")(
        Asked("/router/hotels/8/", "DELETE", (token("root"),)),
    ),
    *_takes("vetted APIView.initial", "vetted QuerySet.get")(Asked("/router/hotels/8/", "HEAD")),
    *_takes("vetted QuerySet._fetch_all")(Asked("/router/stars/")),
    *_takes("vetted QuerySet.get")(Asked("/router/stars/3/"), Asked("/router/stars/1/")),
    *_takes("vetted LimitOffsetPagination.paginate_queryset")(
        Asked("/list/"),
        Asked("/list/?limit=3&offset=2"),
        Asked("/list/?limit=no&offset=-1"),
    ),
    *_takes(_valid)(_post("/list/", data={"stars": "many"})),
    *_takes("vetted APIView.initial", "vetted QuerySet._fetch_all")(
        Asked("/model-permissions/", headers=(token("ada"),)),
    ),
]
