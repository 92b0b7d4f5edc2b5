"""A WSGI app whose requests wait, compute, or tell how many threads there are."""

import hashlib
import json
import threading
import time
from urllib.parse import parse_qs

_seen = set()
_barriers = {}
_digesting = set()
_lock = threading.Lock()


def app(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    name = environ["PATH_INFO"].strip("/")
    with _lock:
        _seen.add(threading.current_thread().name)
    body = globals()["do_" + name](query)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


def do_wait(query):
    time.sleep(float(query["s"]))


def do_meet(query):
    """Returns only when so many requests are here at once: they must have a thread each."""
    parties = int(query["parties"])
    with _lock:
        barrier = _barriers.setdefault(parties, threading.Barrier(parties))
    barrier.wait(timeout=20)


def do_compute(query):
    end = time.thread_time() + float(query["s"])
    while time.thread_time() < end:
        pass


def do_digest(query):
    """Computes without the GIL until so many requests do so at once."""
    end = time.monotonic() + 20
    _digesting.add(threading.current_thread().name)
    while len(_digesting) < int(query["parties"]):
        if time.monotonic() > end:
            raise TimeoutError
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 10_000)


def do_threads(query):
    return sorted(name for name in _seen if name.startswith("turnout-sync-"))


def do_name(query):
    return threading.current_thread().name
