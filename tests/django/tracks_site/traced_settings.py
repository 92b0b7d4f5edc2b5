"""tracks_site with an error tracker or a tracer, as their manuals install them."""

import json
import logging
import os
import threading

from tracks_site.settings import *  # noqa: F403
from tracks_site.settings import MIDDLEWARE, TEMPLATES

ROOT_URLCONF = "tracks_site.traced"
STATIC_URL = "/static/"
STATIC_ROOT = TEMPLATES[0]["DIRS"][0]
# Where its documentation puts it.
MIDDLEWARE = [MIDDLEWARE[0], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[1:]]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"errors": {"class": "logging.StreamHandler", "level": logging.ERROR}},
    "loggers": {"opentelemetry": {"handlers": ["errors"]}},
}

if os.environ.get("TRACED_BY") == "sentry":
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.transport import Transport

    class ToFile(Transport):
        """Keeps what would go to Sentry on this machine."""

        lock = threading.Lock()

        def capture_envelope(self, envelope):
            with self.lock, open(os.environ["SENTRY_FILE"], "a") as file:
                for item in envelope.items:
                    event = item.payload.json
                    if item.type in ("transaction", "event") and event:
                        json.dump({"type": item.type, **event}, file, default=str)
                        file.write("\n")

    open(os.environ["SENTRY_FILE"], "a").close()
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=ToFile,
        traces_sample_rate=1.0,
        send_default_pii=True,
        integrations=[DjangoIntegration(middleware_spans=True)],
    )
