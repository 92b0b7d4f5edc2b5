"""Starts the servers that have no command line: python -m bench.launch {fastpysgi|bjoern} MODULE:NAME PORT."""

from __future__ import annotations

import importlib
import signal
import sys


def main() -> None:
    server, application, port = sys.argv[1:]
    module, _, name = application.partition(":")
    app = getattr(importlib.import_module(module), name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if server == "fastpysgi":
        import fastpysgi

        fastpysgi.server.tcp_nodelay = 1
        fastpysgi.run(app, "127.0.0.1", int(port), loglevel=2)
    else:
        import bjoern

        bjoern.run(app, "127.0.0.1", int(port))


main()
