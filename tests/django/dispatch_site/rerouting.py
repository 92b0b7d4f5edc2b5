"""Middleware that sends a request elsewhere than its path says: by a URLconf of the host's, by another path."""

from django.utils.deprecation import MiddlewareMixin


class ByHost(MiddlewareMixin):
    def process_request(self, request):
        if request.get_host().startswith("shop."):
            request.urlconf = "dispatch_site.shop"


class ByPath(MiddlewareMixin):
    def process_request(self, request):
        if request.path_info.startswith("/tenant/"):
            request.path_info = request.path_info.removeprefix("/tenant")


class ByWhim(MiddlewareMixin):
    """Now this URLconf, now that one, for the same host and path."""

    def process_request(self, request):
        if request.headers.get("X-Shop"):
            request.urlconf = "dispatch_site.shop"
