"""A URLconf of the request's own. In a file of its own: turnout reads middleware for what changes a request's way."""

from django.utils.deprecation import MiddlewareMixin


class Choosing(MiddlewareMixin):
    def process_request(self, request):
        if request.headers.get("X-Urls"):
            request.urlconf = request.headers["X-Urls"]
