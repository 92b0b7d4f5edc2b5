"""A project whose views wait for what the test names in its environment."""

import json
import os

SECRET_KEY = "not secret"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "waits_urls"
ASGI_APPLICATION = "waits_asgi.application"
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = ["waits_app"]
DATABASES = {
    "default": json.loads(os.environ.get("WAITS_DATABASE", "null"))
    or {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:waits?mode=memory&cache=shared"}
}
USE_TZ = True
if "WAITS_REDIS" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["WAITS_REDIS"],
        }
    }
