"""Functions that numba compiles at their first call: kept on disk, and announced, for it takes a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from numba.core import event

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., object])


def kept_on_disk(function: Function) -> Function:
    """A function that numba compiles, once and for all where there is a place to keep it."""
    try:
        function.enable_caching()  # type: ignore[attr-defined]
    except RuntimeError:
        log.warning("no folder to keep compiled functions in: they will be compiled at every start")
    return function


class _Announcement(event.Listener):  # type: ignore[misc]
    """Says once why the first start after an installation takes longer."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, _: object) -> None:
        if not self.said:
            log.warning("compiling for this processor, once")
        self.said = True

    def on_end(self, _: object) -> None:
        pass


event.register("numba:compile", _Announcement())
