"""A project whose views wait and compute in known ways."""

import os

SECRET_KEY = "not secret"
DEBUG = os.environ.get("STATES_DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "states_urls"
ASGI_APPLICATION = "states_asgi.application"
MIDDLEWARE = ["states_urls.who_asks"]
INSTALLED_APPS: list[str] = []
USE_TZ = True
