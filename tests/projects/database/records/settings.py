"""As startproject makes them; database, cache and sessions come from the environment."""

import json
import os

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "records",
    *json.loads(os.environ.get("PROJECT_APPS", "[]")),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "records.urls"
ASGI_APPLICATION = "records.asgi.application"
WSGI_APPLICATION = "records.wsgi.application"
DATABASES = {"default": json.loads(os.environ["PROJECT_DATABASE"])}
CACHES = json.loads(
    os.environ.get("PROJECT_CACHES", '{"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}')
)
SESSION_ENGINE = os.environ.get("PROJECT_SESSIONS", "django.contrib.sessions.backends.db")
# Nobody's password is guessed here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tables are made as the models are now, without the history that led there.
MIGRATION_MODULES = {app: None for app in ("auth", "contenttypes", "sessions", "records")}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Django's own logging tells only the admins, by mail, when DEBUG is off.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
