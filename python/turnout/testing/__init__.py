"""For tests of applications.

`LiveServer` serves an application through turnout's own sockets from a thread of the tests' process::

    with LiveServer(application) as server:
        urlopen(server.url)

`watch` sees what requests to it spent their time on, and holds that against limits::

    with watch() as views:
        urlopen(server.url + "/search/")
    views.assert_view("hotels.views.search", p95=0.2, p95_wait_cpu=0.005)

`asgi_validator` watches over the ASGI specification between a server and an application. It is to ASGI what
``wsgiref.validate`` is to WSGI, and needs neither turnout's server nor its loop::

    application = asgi_validator(application)
"""

from turnout.testing.asgi import asgi_validator
from turnout.testing.checks import ASGIViolation
from turnout.testing.limits import Watched
from turnout.testing.live import LiveServer
from turnout.testing.watching import Views, watch

__all__ = ["ASGIViolation", "LiveServer", "Views", "Watched", "asgi_validator", "watch"]
