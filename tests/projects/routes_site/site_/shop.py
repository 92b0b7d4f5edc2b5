from django.urls import include, path

from site_ import views

app_name = "shop"
urlpatterns = [
    path("<str:city>/", views.asynchronous, name="city"),
    path("<str:city>/rooms/", include([path("<int:n>/", views.sync, name="room")])),
    path("<str:city>/map/", views.sync),
]
