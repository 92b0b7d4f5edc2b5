"""tracks_site with what the test declares."""

import json
import os

from tracks_site.settings import *  # noqa: F403
from tracks_site.settings import MIDDLEWARE as USUAL

if os.environ.get("TRACED_BY"):
    from tracks_site.traced_settings import *  # noqa: F403

_asked = json.loads(os.environ.get("DECLARING", "{}"))
DEBUG = _asked.get("debug", False)
MIDDLEWARE = [*_asked.get("front", []), *USUAL]
TURNOUT = _asked.get("turnout", {})
ROOT_URLCONF = "tracks_site.declaring"
