"""How turnout hosts a Django project: two tracks, vetted hooks on the loop, exclusive threads for the rest.

The Rust side calls `handler.DjangoHandler` and nothing else of this package.
"""
