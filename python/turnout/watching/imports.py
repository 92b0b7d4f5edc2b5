"""Does something with a module right after it was imported, whenever that is; also after a reload.

The finder stands first and knows a handful of names: any other import costs one look into a table. What loads a module,
and what the module says about that, is what it would be otherwise; its loader's `exec_module` is another one this once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

logger = logging.getLogger("turnout")

Watched = Callable[[Any], None]


class Finder(MetaPathFinder):
    """Finds nothing by itself: it asks those behind it, and does something after the module's code has run."""

    def __init__(self, modules: Mapping[str, Watched]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that would be found without this one."""
        watched = self._modules.get(fullname)
        if watched is None:
            return None
        for finder in sys.meta_path:
            # Old finders know `find_module` only, and find what nobody else does.
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                _afterwards(spec, watched)
                return spec
        return None


def _afterwards(spec: ModuleSpec, watched: Watched) -> None:
    loader: Any = spec.loader
    run = getattr(loader, "exec_module", None)
    if run is None:
        return

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        run(module)
        _look(watched, module)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        # A loader of another kind. The library is not watched, and works.
        logger.info("calls of %s are not watched: its loader takes no attribute", spec.name)


def install(modules: Mapping[str, Watched]) -> None:
    """From now on, and at once for those that are imported. Calling it again does nothing."""
    if any(type(finder) is Finder for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, Finder(modules))
    for name, watched in modules.items():
        module = sys.modules.get(name)
        if module is not None:
            _look(watched, module)


def _look(watched: Watched, module: ModuleType) -> None:
    """What goes wrong here is no fault of whoever imports the library."""
    try:
        watched(module)
    except Exception:
        logger.warning("calls of %s are not watched: it is not built as expected", module.__name__, exc_info=True)
