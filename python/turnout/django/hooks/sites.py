"""CurrentSiteMiddleware: on the loop where no row has to be read."""

from __future__ import annotations

import sys
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import DisallowedHost

from turnout.django import vetting
from turnout.django.hooks.verdicts import Vetted

# What makes the site of a request where there is a table of them.
FROM_TABLE = "django.contrib.sites.models.SiteManager.get_current"


def current_site(middleware: Any) -> Vetted | None:
    """Without the sites app the site is made of the request; with it, sites that were read once are kept."""
    if not apps.is_installed("django.contrib.sites"):
        return Vetted(True, True)
    return None if table_changed() else Vetted(_site_is_known, True)


def table_changed() -> str:
    """Why the table of sites may not be asked here at all."""
    return vetting.verdict([FROM_TABLE]) if apps.is_installed("django.contrib.sites") else ""


def _site_is_known(request: Any) -> bool:
    models = sys.modules["django.contrib.sites.models"]
    if type(models.Site.objects) is not models.SiteManager:
        return False
    # Made anew by clear_cache(), so looked up each time.
    known = models.SITE_CACHE
    site_id = getattr(settings, "SITE_ID", "")
    if site_id:
        return site_id in known
    try:
        # With its port, if it has one: Django asks the table for that first, and does not remember that it had none.
        return request.get_host() in known
    except DisallowedHost:
        # The hook raises it too, before anything else.
        return True
