"""What projects put around Django's handlers in asgi.py and wsgi.py."""

import contextvars

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler

from dispatch_site.asgi import application as django_asgi
from dispatch_site.wsgi import application as django_wsgi

outside = contextvars.ContextVar("outside", default="nothing")


def stamped(application):
    """A function around it, as ASGI middleware is written."""

    async def middleware(scope, receive, send):
        async def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamp", b"outside")]
            await send(message)

        outside.set(scope["path"])
        await application(scope, receive, stamp)

    return middleware


class Mounts:
    """As Starlette's: the application below a path, with the path in front in `root_path`; another one elsewhere."""

    def __init__(self, application, prefix):
        self.application = application
        self.prefix = prefix

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["path"].startswith(self.prefix + "/"):
            await self.application({**scope, "root_path": scope.get("root_path", "") + self.prefix}, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"another application"})


class StampedWSGI:
    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        def stamp(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Stamp", "outside")], exc_info)

        return self.application(environ, stamp)


function = stamped(django_asgi)
mounted = Mounts(stamped(django_asgi), "/django")
static = ASGIStaticFilesHandler(django_asgi)
wsgi = StampedWSGI(django_wsgi)
static_wsgi = StaticFilesHandler(django_wsgi)
