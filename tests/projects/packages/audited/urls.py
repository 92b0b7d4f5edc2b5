from django.conf import settings
from django.urls import include, path

from audited.views import who

urlpatterns = [path("who/", who)]
if settings.PACKAGE == "silk":
    urlpatterns.append(path("silk/", include("silk.urls", namespace="silk")))
