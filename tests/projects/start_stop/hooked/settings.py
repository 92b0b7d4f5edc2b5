"""A project whose app registers hooks from AppConfig.ready; which ones, $HOOKS says."""

import os

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "hooked.urls"
INSTALLED_APPS = ["hooked.apps.Hooked", "django.contrib.contenttypes"]
MIDDLEWARE = []
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("HOOKED_DB", ":memory:"),
        "CONN_MAX_AGE": 600,
    }
}
USE_TZ = True
