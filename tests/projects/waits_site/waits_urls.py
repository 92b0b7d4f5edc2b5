"""What requests waited for, as the server has it; and the views that wait, by what they wait with."""

from __future__ import annotations

import importlib
import os

from django.http import JsonResponse
from django.urls import path

from turnout import _turnout


def figures(request):
    requests = {name: counts[0] for name, counts, _ in _turnout.view_figures()}
    waits, findings = _turnout.address_figures(), _turnout.findings()
    return JsonResponse({"requests": requests, "waits": waits, "findings": findings})


def views_of(name: str) -> list:
    module = importlib.import_module(name)
    return [path(f"{name}/{view.__name__}/", view) for view in module.VIEWS]


urlpatterns = [path("figures/", figures)]
for module in os.environ["WAITS_WITH"].split():
    urlpatterns += views_of(module)
