"""What is in the database before the first request, the same each time: users, their tokens and sessions, hotels."""

import datetime

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone
from rest_framework.authtoken.models import Token

from apis.models import Hotel

BACKEND = "django.contrib.auth.backends.ModelBackend"


def seed():
    call_command("migrate", verbosity=0, run_syncdb=True)
    for name, staff in (("ada", False), ("root", True), ("gone", False)):
        user = User.objects.create_user(name, password=f"{name}'s", is_staff=staff, is_superuser=staff)
        Token.objects.create(user=user, key=f"{name}-token")
        data = {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: BACKEND, HASH_SESSION_KEY: user.get_session_auth_hash()}
        Session.objects.create(
            session_key=f"{name}sessionkey".ljust(32, "0"),
            session_data=SessionStore().encode(data),
            expire_date=timezone.now() + datetime.timedelta(days=1),
        )
    User.objects.filter(username="gone").update(is_active=False)
    for number in range(7):
        opened = datetime.date(2000, 1, number + 1)
        Hotel.objects.create(name=f"hotel {number}", stars=number % 5 + 1, opened=opened)
