"""A WSGI app that does, on demand, everything an app must not do."""

import os
import signal
import sys
import time

OK = [("Content-Type", "text/plain")]


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").replace("/", "_").replace("-", "_")
    return globals()["do_" + name](environ, start_response)


def answer(start_response, status="200 OK", headers=OK, body=b"fine"):
    start_response(status, list(headers))
    return [body]


def do_fine(environ, start_response):
    return answer(start_response)


def do_slow(environ, start_response):
    time.sleep(0.5)
    return answer(start_response)


def do_pid(environ, start_response):
    return answer(start_response, body=str(os.getpid()).encode())


def do_status_0(environ, start_response):
    return answer(start_response, status="0 NO")


def do_status_99(environ, start_response):
    return answer(start_response, status="99 NO")


def do_status_1000(environ, start_response):
    return answer(start_response, status="1000 NO")


def do_status_abc(environ, start_response):
    return answer(start_response, status="abc")


def do_header_crlf(environ, start_response):
    return answer(start_response, headers=[("X-Evil", "a\r\nSet-Cookie: b=c")])


def do_header_nul(environ, start_response):
    return answer(start_response, headers=[("X-Evil", "a\x00b")])


def do_header_name(environ, start_response):
    return answer(start_response, headers=[("X Evil", "a")])


def do_length_short(environ, start_response):
    return answer(start_response, headers=[("Content-Length", "2")])


def do_length_long(environ, start_response):
    return answer(start_response, headers=[("Content-Length", "200")])


def do_body_204(environ, start_response):
    return answer(start_response, status="204 No Content")


def do_raise(environ, start_response):
    raise ValueError("told to")


def do_raise_midway(environ, start_response):
    start_response("200 OK", list(OK))
    yield b"half"
    raise ValueError("told to, midway")


def do_no_response(environ, start_response):
    return []


def do_sys_exit(environ, start_response):
    sys.exit(3)


def do_memory(environ, start_response):
    raise MemoryError


def do_os_exit(environ, start_response):
    os._exit(3)


def do_sigsegv(environ, start_response):
    os.kill(os.getpid(), signal.SIGSEGV)


def do_sigkill(environ, start_response):
    os.kill(os.getpid(), signal.SIGKILL)
