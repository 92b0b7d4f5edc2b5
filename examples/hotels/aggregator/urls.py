"""All URLs of the site."""

from django.contrib import admin
from django.urls import include, path

handler400 = "hotels.pages.bad_request"
handler404 = "hotels.pages.not_found"

urlpatterns = [
    path("", include("hotels.urls")),
    path("admin/", admin.site.urls),
]
