"""For tests of applications: `asgi_validator` watches over the ASGI specification between a server and an application.

It is to ASGI what ``wsgiref.validate`` is to WSGI, and needs neither turnout's server nor its loop::

    application = asgi_validator(application)
"""

from turnout.testing.asgi import asgi_validator
from turnout.testing.checks import ASGIViolation

__all__ = ["ASGIViolation", "asgi_validator"]
