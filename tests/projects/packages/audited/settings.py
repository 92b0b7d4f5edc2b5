"""A project that uses one package which knows whose request it is, named by the environment."""

import json
import os

PACKAGE = os.environ["PROJECT_PACKAGE"]

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    *{"easyaudit": ["easyaudit"], "reversion": ["reversion"], "silk": ["silk"]}.get(PACKAGE, []),
    "audited",
]
MIDDLEWARE = [
    "audited.middleware.Knows",
    {
        "own": "audited.middleware.Remembers",
        "crum": "crum.CurrentRequestUserMiddleware",
        "easyaudit": "easyaudit.middleware.easyaudit.EasyAuditMiddleware",
        "reversion": "reversion.middleware.RevisionMiddleware",
        "silk": "silk.middleware.SilkyMiddleware",
        "structlog": "audited.middleware.Binds",
    }[PACKAGE],
]
ROOT_URLCONF = "audited.urls"
ASGI_APPLICATION = "audited.asgi.application"
DATABASES = {"default": json.loads(os.environ["PROJECT_DATABASE"])}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
MIGRATION_MODULES = {"audited": None}
DJANGO_EASY_AUDIT_WATCH_AUTH_EVENTS = DJANGO_EASY_AUDIT_WATCH_REQUEST_EVENTS = False
SILKY_META = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
