"""A URLconf whose page for missing things asks the database."""

from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.urls import path

from tracks_site import views


def handler404(request, exception):
    return HttpResponse(f"none of {Group.objects.count()}", status=404)


urlpatterns = [path("missing/", views.missing)]
