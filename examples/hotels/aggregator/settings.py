"""Settings of an ordinary project: what `startproject` makes, plus two REST frameworks and this site's app."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# An example for one's own machine; a site on the network sets its own key.
SECRET_KEY = os.environ.get("HOTELS_SECRET_KEY", "insecure: an example for one's own machine")
DEBUG = os.environ.get("HOTELS_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "adrf",
    "hotels",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "aggregator.urls"
ASGI_APPLICATION = "aggregator.asgi.application"
WSGI_APPLICATION = "aggregator.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("HOTELS_DATABASE", BASE_DIR / "hotels.sqlite3"),
        "OPTIONS": {
            # Readers do not wait for the writer; a writer waits its turn at once instead of failing half-way.
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"

REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}

# Where the booking APIs are. `manage.py upstreams` starts simulated ones there.
HOTELS_UPSTREAMS_URL = os.environ.get("HOTELS_UPSTREAMS_URL", "http://127.0.0.1:9100")
# Longer than any of them takes; one that is slower counts as not answering.
HOTELS_PATIENCE = 5.0
# Where it is said so (hotels/with_turnout.py), so many sites are enough, and the others have so many seconds more.
HOTELS_QUORUM = 6
HOTELS_GRACE = 0.03
