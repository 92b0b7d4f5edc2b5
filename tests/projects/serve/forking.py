"""Views that fork, on a thread of the sync pool (WSGI) and on the loop's (ASGI)."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import warnings
from urllib.parse import parse_qs

# A process with threads forks here on purpose.
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)


def wsgi(environ, start_response):
    environ["wsgi.input"].read()
    body = view(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    body = view(scope["path"], scope["query_string"].decode())
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def view(path, query):
    return str(VIEWS[path](**{name: values[0] for name, values in parse_qs(query).items()})).encode()


def forked():
    """The child ends at once; what it was is asked for here."""
    child = os.fork()
    if child == 0:
        os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def process(method):
    """One of multiprocessing, with something sent back."""
    context = multiprocessing.get_context(method)
    mine, theirs = context.Pipe()
    child = context.Process(target=double, args=(theirs, 21))
    child.start()
    answer = mine.recv()
    child.join()
    return f"{answer} {child.exitcode}"


def double(pipe, number):
    pipe.send(number * 2)


def executor():
    """A pool of processes whose children outlive the call that made them, and the request."""
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        return sum(pool.map(abs, range(-10, 0)))


def loop_in_child():
    """The child runs a stdlib loop, as a management command started by fork would."""
    child = os.fork()
    if child == 0:
        status = 9
        try:
            asyncio._set_running_loop(None)
            status = asyncio.run(asyncio.sleep(0.001, 5))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command():
    return subprocess.run([sys.executable, "-c", "print(6)"], capture_output=True, text=True, check=True).stdout.strip()


def outlives(fifo):
    """The child keeps every descriptor of its parent open until somebody writes to the pipe of this name."""
    child = os.fork()
    if child == 0:
        try:
            with open(fifo) as pipe:
                pipe.read()
        finally:
            os._exit(0)
    return child


VIEWS = {
    "/": os.getpid,
    "/forked": forked,
    "/process": process,
    "/executor": executor,
    "/loop": loop_in_child,
    "/command": command,
    "/outlives": outlives,
}
