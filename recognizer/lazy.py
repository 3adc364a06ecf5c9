"""Names that a package offers without loading their modules before they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package.

    ``homes``: module → the names taken from it, as ``name``, or as ``name:path`` where they differ.
    """
    known = {
        name.partition(":")[0]: (module, name.partition(":")[2] or name)
        for module, names in homes.items()
        for name in names
    }

    def __getattr__(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, path = known[name]
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        setattr(sys.modules[package], name, found)
        return found

    return __getattr__
