"""Make the tables, ten records and one user with a session; print the session's key."""

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, call_command
from django.test import Client

from records.models import Record


class Command(BaseCommand):
    def handle(self, **_) -> None:
        call_command("migrate", run_syncdb=True, verbosity=0)
        Record.objects.bulk_create(Record(name=f"record {number}") for number in range(1, 11))
        client = Client()
        client.force_login(get_user_model().objects.create_user("ada"))
        self.stdout.write(client.cookies["sessionid"].value)
