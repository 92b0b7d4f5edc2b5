"""A project whose URLconf and middleware a test chooses."""

import json
import os

SECRET_KEY = "not a secret"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "testserver", ".example"]
ROOT_URLCONF = os.environ.get("DISPATCH_URLS", "dispatch_site.urls")
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles"]
MIDDLEWARE = [
    "dispatch_site.middleware.where",
    *json.loads(os.environ.get("DISPATCH_MIDDLEWARE", "[]")),
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DISPATCH_DB", ":memory:")}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German"), ("pt-br", "Brazilian")]
STATIC_URL = "static/"
STATICFILES_DIRS = [os.path.dirname(__file__)]
FORCE_SCRIPT_NAME = os.environ.get("DISPATCH_FORCED")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
