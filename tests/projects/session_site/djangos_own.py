"""Django's own handler behind somebody else's server: WSGIHandler behind the stdlib's, ASGIHandler behind uvicorn.

`djangos_own.py asgi|wsgi` prints the port it listens on.
"""

import socket
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def serve_wsgi(application):
    server = make_server("127.0.0.1", 0, application, server_class=Server, handler_class=Quiet)
    say(server.server_port)
    server.serve_forever()


def serve_asgi(application):
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    say(listener.getsockname()[1])
    config = uvicorn.Config(application, log_config=None, lifespan="off", proxy_headers=False)
    uvicorn.Server(config).run(sockets=[listener])


def say(port):
    print(port, flush=True)


if __name__ == "__main__":
    from recorded import application

    {"asgi": serve_asgi, "wsgi": serve_wsgi}[sys.argv[1]](application)
