"""Requests that do what a test says, with calls that are known to leave nothing behind and calls that are not."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import connections
from django_driver import until
from tracks_site.models import Item
from tracks_site.scripts import scripts

from turnout.django import targets
from turnout.django.targets import Runs

SCRIPTS = {"ROOT_URLCONF": "tracks_site.scripts", "MIDDLEWARE": []}
current = threading.local()


def vetted(function):
    """As if it were of Django and somebody had read it."""
    targets.judges(function, lambda args, kwargs: Runs.VETTED)
    return function


@vetted
def read():
    return Item.objects.count()


@vetted
def write(name):
    Item.objects.create(name=name)


def foreign_read():
    return Item.objects.count()


async def names():
    def ask():
        try:
            return set(Item.objects.values_list("name", flat=True))
        finally:
            connections.close_all()

    return await asyncio.to_thread(ask)


@pytest.fixture(autouse=True)
def no_items():
    Item.objects.all().delete()
    connections.close_all()
    yield
    scripts.clear()


def get(driver, name):
    return asyncio.ensure_future(driver.run_async(path=f"/run/{name}/"))


async def settled(driver):
    await until(lambda: driver.handler.hops.busy == 0)
