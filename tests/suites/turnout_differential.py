"""Each GET and HEAD of a test client also goes through Django's handlers and through turnout's, and all answers agree.

The test itself sees Django's own answer and nothing else: every other one is made in a forked child, which has the
test's open transaction, caches and patches as its own copy and takes what it did to them along when it ends.
"""

import faulthandler
import gc
import os
import pickle
import re
import threading
import time
import traceback
from collections import Counter

import django.test.client
from masks import masked, without_servers
from turnout_replay import ALL, DJANGOS, OURS, VISIBLE, replay

from turnout.django import vetting

StockClientHandler = django.test.client.ClientHandler
StockAsyncClientHandler = django.test.client.AsyncClientHandler
CHILD_SECONDS = 60
UNWATCHED = (("wsgi sync", "asgi async"), ("wsgi async", "asgi sync"))

_KIND = re.compile(r"django\.core\.handlers\.[aw]sgi\.[AW]SGIHandler|[AW]SGIRequest|\['(scope|environ)'\]")


class Found:
    """What has been compared, for the result of the run."""

    def __init__(self):
        self.closed = False
        self.test = ""
        self.requests = 0
        self.answers = Counter()
        self.masked = 0
        self.left_out = Counter()
        self.unrepeatable = []
        self.different = []

    def as_json(self):
        return {
            "requests": self.requests,
            "answers": self.answers,
            "masked": self.masked,
            "left_out": self.left_out,
            "unrepeatable": self.unrepeatable,
            "different": self.different,
        }


FOUND = Found()


def warm_up():
    """What every child would work out anew: the hashes of the functions that turnout stands in for."""
    for functions in vetting.table()[vetting.release()].values():
        for name in functions:
            vetting.fingerprint(vetting.find(name), name)


class ClientHandler(StockClientHandler):
    """self.client: Django's, after the comparison."""

    def __call__(self, environ):
        # Not what a view asks for while it is compared itself.
        if not FOUND.closed and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            if threading.active_count() > 1 or threading.current_thread() is not threading.main_thread():
                FOUND.left_out["other threads run"] += 1
            elif FOUND.test in LEFT_OUT:
                FOUND.left_out[LEFT_OUT[FOUND.test]] += 1
            else:
                compare(environ)
        return super().__call__(environ)


# Test -> why nothing is asked beside it.
LEFT_OUT = {
    "generic_views.test_base.TemplateViewTest.test_cached_views": "its two requests must come within two seconds",
}


class AsyncClientHandler(StockAsyncClientHandler):
    """self.async_client asks from a loop on a thread of its own, where nothing can be forked."""

    async def __call__(self, scope):
        if not FOUND.closed and scope["method"] in ("GET", "HEAD"):
            FOUND.left_out["async client"] += 1
        return await super().__call__(scope)


def compare(environ):
    """Six answers to one request, all at once; two of turnout's also unwatched, in turns."""
    FOUND.requests += 1
    now = time.time()
    asked = [(handler, True) for handler in (*DJANGOS, *OURS)]
    asked += [(handler, False) for handler in UNWATCHED[FOUND.requests % 2]]
    children = {(handler, watched): Child(environ, handler, now, watched) for handler, watched in asked}
    answers = {asked: child.answer() for asked, child in children.items()}
    wsgi, asgi = (answers[django, True] for django in DJANGOS)
    check(environ, "asgi", as_one_kind(asgi), as_one_kind(wsgi), ALL)
    for handler, watched in asked[len(DJANGOS) :]:
        theirs = answers[handler.split()[0], True]
        name, fields = (handler, ALL) if watched else (f"{handler} unwatched", VISIBLE)
        check(environ, name, answers[handler, watched], theirs, fields)


def check(environ, name, ours, theirs, fields):
    """Note every field in which the answers differ, unless Django's own handler differs in it from time to time."""
    FOUND.answers[name] += 1
    request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
    if "broke" in ours or "broke" in theirs:
        note(request, name, "broke", theirs.get("broke"), ours.get("broke"))
        return
    unequal = [field for field in fields if ours[field] != theirs[field]]
    if not unequal:
        return
    # Only Django's answer to the same request again tells what is the request's and what is chance.
    different = [field for field in unequal if plain(ours, field) != plain(theirs, field)]
    if not different:
        FOUND.masked += 1
        return
    reference = "wsgi" if name in DJANGOS else name.split()[0]
    again = [Child(environ, reference, time.time(), watched=True).answer() for _ in range(2)]
    if name in DJANGOS:
        again = [as_one_kind(other) for other in again]
    for field in different:
        if any(plain(other, field) != plain(theirs, field) for other in again):
            FOUND.unrepeatable.append(f"{FOUND.test}: {request}: {field}: {name}")
        else:
            note(request, name, field, plain(theirs, field), plain(ours, field))


def as_one_kind(answer):
    """Without what Django's two handlers are meant to say differently: names of classes, and words for the status."""
    if "broke" in answer:
        return answer
    said = {field: [_KIND.sub("<kind>", line) for line in answer[field]] for field in ("signals", "logs")}
    return {**answer, **said, "status": (answer["status"] or "")[:3]}


def note(request, handler, field, theirs, ours):
    FOUND.different.append(
        {
            "test": FOUND.test,
            "request": request,
            "handler": handler,
            "field": field,
            "theirs": shown(theirs, ours),
            "ours": shown(ours, theirs),
        }
    )


def shown(this, other):
    """A text from where it differs; of lists what the other has not."""
    if isinstance(this, list) and isinstance(other, list):
        rest = Counter(this) - Counter(other)
        return list(rest.elements()) or this
    if isinstance(this, str) and isinstance(other, str):
        same = next(
            (at for at, pair in enumerate(zip(this, other, strict=False)) if pair[0] != pair[1]),
            min(len(this), len(other)),
        )
        return this[max(0, same - 100) : same + 300]
    return this


def plain(answer, field):
    """Without what is chance, or shows the server."""
    value = answer[field]
    if isinstance(value, str):
        return without_servers(masked(value))
    if isinstance(value, list):
        value = [without_servers(masked(one)) for one in value]
    if field == "headers" and without_servers(answer["body"]) != answer["body"]:
        # A page of DEBUG: its length counts the server's frames.
        value = [line for line in value if not line.startswith("Content-Length: ")]
    return value


class Child:
    """A process that makes one answer, and ends with all it did."""

    def __init__(self, environ, handler, now, watched):
        self._handler = handler
        self._read, write = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(write)
            return
        try:
            FOUND.closed = True
            gc.disable()
            # Who hangs says where, and ends.
            faulthandler.dump_traceback_later(CHILD_SECONDS, exit=True)
            try:
                said = replay(environ, handler, now, watched=watched)
            except BaseException:
                said = {"broke": traceback.format_exc()}
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(said, pipe)
        finally:
            # Nothing of the parent's is flushed, closed or joined a second time.
            os._exit(0)

    def answer(self):
        """What it said, once it is over."""
        with os.fdopen(self._read, "rb") as pipe:
            said = pipe.read()
        os.waitpid(self._pid, 0)
        return pickle.loads(said) if said else {"broke": f"the process of {self._handler} died"}
