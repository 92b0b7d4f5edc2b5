"""The URLconf of some hosts: other views at the same paths, and paths that the other one has not."""

from django.urls import path

from dispatch_site import views

urlpatterns = [
    path("async/", views.sync_view),
    path("sync/", views.async_view),
    path("cart/<int:n>/", views.async_view),
    path("goods/<int:n>/", views.sync_view),
]
