from django.core.asgi import get_asgi_application

application = get_asgi_application()


async def wrapped(scope, receive, send):
    await application(scope, receive, send)
