"""Functions that numba compiles at their first call: cached on disk, and announced, as it takes a while."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., object])


def kept_on_disk(function: Function) -> Function:
    """A function that numba compiles, once only where there is a folder for its cache.

    Damaged cache files are compiled again; a folder that is not writable only costs time.
    """
    try:
        function._cache = _Kept(function.py_func)  # type: ignore[attr-defined]  # as enable_caching does
    except RuntimeError:
        log.warning("no folder to keep compiled functions in: they will be compiled at every start")
    return function


class _Kept(FunctionCache):  # type: ignore[misc]
    """numba's cache files, safe against damage: numba itself fails at every start after a half-written
    one."""

    def __init__(self, py_func: Callable[..., object]) -> None:
        super().__init__(py_func)
        locator = self._impl.locator
        self._cache_file = _SealedFiles(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}.sealed",
            source_stamp=locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, or None where no intact one is cached."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # damaged pickles can raise anything
            log.warning("%s: damaged (%s); it is compiled again", self._cache_path, type(error).__name__)
        try:
            self.flush()
        except OSError:
            log.warning("%s: cannot be written; it will be compiled at every start", self._cache_path)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Caches a compiled function if possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:  # a full disk must not end a session
            log.warning("%s: the compiled function cannot be kept (%s)", self._cache_path, error)


class _SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Puts a digest before the machine code: a changed byte would be executed, with any effect."""

    def _save_data(self, name: str, data: object) -> None:
        packed = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(sha256(packed).digest() + packed)

    def _load_data(self, name: str) -> object:
        content = Path(self._data_path(name)).read_bytes()
        seal, packed = content[:32], content[32:]
        if sha256(packed).digest() != seal:
            raise ValueError("another digest")
        return pickle.loads(packed)


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
