"""turnout: an application server for Django, in Rust."""

import importlib.util
import threading

from turnout.startstop import on_shutdown, on_startup

__all__ = ["on_shutdown", "on_startup"]


def _load_extension() -> None:
    """Load the extension now, whoever imports this, on a thread that does not end before the others.

    Its allocator (mimalloc 3.3) takes the thread that loads it for the process's main thread and puts its heap away at
    its end. It knows threads by address, which the next one gets again, and with it the heap that is gone: a crash.
    """
    found = importlib.util.find_spec("turnout._turnout")
    if found is None:
        # A checkout that was not built for this Python: what is Python alone works.
        return
    if threading.current_thread() is threading.main_thread():
        importlib.import_module("turnout._turnout")
        return
    import ctypes

    loaded = threading.Event()

    def load_and_stay() -> None:
        try:
            ctypes.CDLL(found.origin)
        finally:
            loaded.set()
        threading.Event().wait()

    threading.Thread(target=load_and_stay, name="turnout-loader", daemon=True).start()
    loaded.wait()


_load_extension()
