from django.apps import AppConfig


class Audited(AppConfig):
    name = "audited"

    def ready(self):
        from django.conf import settings

        if settings.PACKAGE == "reversion":
            import reversion

            from audited.models import Note

            reversion.register(Note)
