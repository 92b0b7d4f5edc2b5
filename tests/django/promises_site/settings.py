"""A project that is asked what it sees, on every track, in every place that a request comes to."""

import json
import os

SECRET_KEY = "not a secret"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "promises_site.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "promises_site"]
MIDDLEWARE = [
    *json.loads(os.environ.get("PROMISES_FRONT", "[]")),
    "promises_site.state.Marking",
    "django.middleware.locale.LocaleMiddleware",
    "promises_site.state.Zone",
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PROMISES_DB", ":memory:"),
        "ATOMIC_REQUESTS": bool(os.environ.get("PROMISES_ATOMIC")),
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("it", "Italian"), ("es", "Spanish")]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
