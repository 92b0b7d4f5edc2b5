"""WhiteNoise's middleware as projects change it."""

from collections import ChainMap

from whitenoise.middleware import WhiteNoiseMiddleware


class OwnNames(WhiteNoiseMiddleware):
    """As its documentation tells: which names are immutable."""

    def immutable_file_test(self, path, url):
        return url.endswith(".js")


class OwnCall(WhiteNoiseMiddleware):
    def __call__(self, request):
        return super().__call__(request)


class OwnServing(WhiteNoiseMiddleware):
    @staticmethod
    def serve(static_file, request):
        return WhiteNoiseMiddleware.serve(static_file, request)


class OwnFiles(WhiteNoiseMiddleware):
    """A mapping that may do anything when it is asked."""

    def __init__(self, get_response):
        super().__init__(get_response)
        self.files = ChainMap(self.files)
