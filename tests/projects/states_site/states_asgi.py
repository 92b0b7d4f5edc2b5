"""The project's entry point."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "states_settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()


async def around(scope, receive, send):
    """The same project inside an application that turnout knows nothing of."""
    await application(scope, receive, send)
