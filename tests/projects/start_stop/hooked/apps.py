import importlib
import os

from django.apps import AppConfig


class Hooked(AppConfig):
    name = "hooked"

    def ready(self):
        for name in os.environ.get("HOOKS", "usual").split():
            importlib.import_module(f"hooked.{name}")
