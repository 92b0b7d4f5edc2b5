"""An ASGI application around Django's, with a lifespan of its own."""

from django.core.asgi import get_asgi_application

from hooked.said import say

django = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] != "lifespan":
        await django(scope, receive, send)
        return
    for word in ("startup", "shutdown"):
        await receive()
        say(f"lifespan {word}")
        await send({"type": f"lifespan.{word}.complete"})
