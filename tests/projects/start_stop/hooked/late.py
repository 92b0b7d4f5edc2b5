"""Imported by a view: too late for a startup hook, in time for a shutdown hook."""

from hooked.said import say
from turnout import on_shutdown, on_startup

on_startup(print)


@on_shutdown
def registered_late():
    say("registered late")
