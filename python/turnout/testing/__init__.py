"""For tests of applications.

`LiveServer` serves an application through turnout's own sockets from a thread of the tests' process::

    with LiveServer(application) as server:
        urlopen(server.url)

`asgi_validator` watches over the ASGI specification between a server and an application. It is to ASGI what
``wsgiref.validate`` is to WSGI, and needs neither turnout's server nor its loop::

    application = asgi_validator(application)
"""

from turnout.testing.asgi import asgi_validator
from turnout.testing.checks import ASGIViolation
from turnout.testing.live import LiveServer

__all__ = ["ASGIViolation", "LiveServer", "asgi_validator"]
