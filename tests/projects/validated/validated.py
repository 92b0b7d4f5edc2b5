"""The application that VALIDATED names, with `turnout.testing.asgi_validator` around it."""

import importlib
import os

from turnout.testing import asgi_validator

module, _, attribute = os.environ["VALIDATED"].partition(":")
app = asgi_validator(getattr(importlib.import_module(module), attribute))
