"""Nothing but what the views need; `REFERENCE_SYNC_ONLY=1` puts a sync-only middleware before them."""

import json
import os

SECRET_KEY = "not secret"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "reference_views"
ASGI_APPLICATION = "reference_asgi.application"
MIDDLEWARE = ["reference_views.SyncOnly"] if os.environ.get("REFERENCE_SYNC_ONLY") == "1" else []
INSTALLED_APPS: list[str] = []
DATABASES = {"default": json.loads(os.environ.get("REFERENCE_DATABASE", "{}"))}
USE_TZ = True
