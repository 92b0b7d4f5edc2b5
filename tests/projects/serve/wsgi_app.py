"""A WSGI app that says who it is, waits when asked, and dies in every way."""

import ctypes
import os
import sys
import threading
import time
from urllib.parse import parse_qs


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    body = VIEWS[environ["PATH_INFO"]](**query)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(body).encode()]


def pid(**_ignored):
    return os.getpid()


def wait(fifo):
    """Until somebody writes to the pipe of this name."""
    print("waiting", flush=True)
    with open(fifo) as pipe:
        return pipe.read()


def exit_now():
    os._exit(7)


def crash():
    ctypes.string_at(0)


def hold_gil(seconds):
    """C code that does not let the GIL go."""
    print("holding", flush=True)
    ctypes.PyDLL(None).sleep(int(seconds))
    return os.getpid()


def compute(seconds):
    """Python that does not wait for anything."""
    print("computing", flush=True)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        sum(range(1000))
    return os.getpid()


def leave_thread():
    """A thread of the project's own that never ends and is no daemon."""
    threading.Thread(target=threading.Event().wait).start()
    return "left"


def switch_interval():
    return sys.getswitchinterval()


VIEWS = {
    "/switch-interval": switch_interval,
    "/leave-thread": leave_thread,
    "/": pid,
    "/wait": wait,
    "/exit": exit_now,
    "/crash": crash,
    "/hold-gil": hold_gil,
    "/compute": compute,
}

not_callable = {"an": "object"}
