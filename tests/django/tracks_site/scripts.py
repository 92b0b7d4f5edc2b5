"""A URLconf whose views are what a test says: `/run/NAME/` awaits `scripts[NAME](request)`."""

from django.http import HttpResponse, JsonResponse
from django.urls import path

scripts = {}


async def run(request, name):
    answer = await scripts[name](request)
    return answer if isinstance(answer, HttpResponse) else JsonResponse(answer, safe=False)


urlpatterns = [path("run/<str:name>/", run)]
