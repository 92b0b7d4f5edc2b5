"""A Django project whose views call an upstream, on either track."""

import os

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "calls_urls"
TURNOUT = {
    "HTTP": {"UPSTREAMS": {"upstream": {"base_url": os.environ["UPSTREAM"], "timeout": 20}}},
    "REQUEST_DEADLINE": float(os.environ["REQUEST_DEADLINE"]) if "REQUEST_DEADLINE" in os.environ else None,
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"turnout.http": {"handlers": ["console"], "level": "INFO"}},
}
