"""A project whose views wait and compute in known ways."""

import os

SECRET_KEY = "not secret"
DEBUG = os.environ.get("STATES_DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "states_urls"
ASGI_APPLICATION = "states_asgi.application"
MIDDLEWARE = ["states_urls.who_asks"]
if os.environ.get("STATES_SYNC_ONLY") == "1":
    MIDDLEWARE.insert(0, "states_urls.SyncOnly")
INSTALLED_APPS: list[str] = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("STATES_DATABASE", ":memory:")}}
USE_TZ = True
