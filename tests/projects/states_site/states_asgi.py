"""The project's entry point."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "states_settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()

if "STATES_SLOW_START" in os.environ:
    from turnout import on_startup

    @on_startup
    async def starts_slowly():
        """Computes and blocks, on the loop."""
        from states_urls import compute, wait

        compute(80)
        wait(60)


async def around(scope, receive, send):
    """The same project inside an application that turnout knows nothing of."""
    await application(scope, receive, send)
