"""`manage.py upstreams`: the simulated booking sites, at HOTELS_UPSTREAMS_URL, until Ctrl-C."""

import signal
from argparse import ArgumentParser
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Starts the simulated booking sites (needs turnout installed)."
    requires_system_checks: ClassVar[list[str]] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = urlsplit(settings.HOTELS_UPSTREAMS_URL).netloc
        parser.add_argument("--bind", default=where, help="ADDRESS:PORT to listen on (default: %(default)s)")

    def handle(self, *_args: Any, bind: str, **_options: Any) -> None:
        try:
            from turnout._turnout import LabUpstreams
        except ImportError as error:
            raise CommandError("the upstreams are part of turnout: pip install turnout") from error
        try:
            upstreams = LabUpstreams(bind)
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"booking sites at {upstreams.url}, until Ctrl-C")
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            upstreams.stop()
