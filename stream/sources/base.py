"""The base class of all sources of frames."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from recognizer.console.plain_text import printable
from stream.frame import Deferred, Frame, Image

STALL_TIMEOUT = 5.0
"""Seconds without a frame after which a live source counts as stalled."""

IMAGE_FPS = 100.0
"""Default frame rate: that of SMIC's high-speed camera."""

NEW_SIZE_S = 0.5
"""Seconds for which a live source must deliver another size before it counts as a change of format."""

_TICK = 1e-6  # seconds; two live frames that the clock cannot tell apart are kept this far apart

_Source = TypeVar("_Source", bound="FrameSource")


class FrameSource(ABC):
    """Delivers frames one by one until it ends.

    A subclass says how to get the next image (``read_next``) and how to free what it holds (``release``);
    numbering, time order and closing are the same for all and live here. Users call ``read`` and ``close``:
    one thread reads; ``stop`` and ``close`` may be called from any thread, even while ``read`` is waiting,
    and never wait for it.
    """

    def __init__(
        self,
        *,
        name: str,
        live: bool,
        size: tuple[int, int],
        nominal_fps: float | None = None,
        duration: float | None = None,
    ) -> None:
        self.name = printable(name)
        """In words, for the overlay: ``clip.mp4``, ``camera 0``; safe for any terminal."""
        self.live = live
        """True for live sources: timestamps are then capture times since the first frame, else media
        times."""
        self.size = size
        """Width and height in pixels."""
        self.nominal_fps = nominal_fps
        """The frame rate stated by the source; None where it states none."""
        self.duration = duration
        """Seconds; None where unknown."""
        self._warnings: list[str] = []
        self._count = 0
        self._last_timestamp: float | None = None
        self.clock = "the time of arrival" if live else ""
        """Where the timestamps come from, in words."""
        self.clock_assumed = False
        """True where they are a guess."""
        self.player_pace = 1.0
        """Seconds of a player's time per second of these timestamps."""
        self.origin: float | None = None
        """Live: ``time.monotonic()`` at the first frame, to relate timestamps to other clocks."""
        self._left_out = 0
        self._other_size: tuple[tuple[int, int], float] | None = None  # the new size, and since when
        self._closed = threading.Event()
        self._in_use = threading.Lock()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings, one line each; may grow while frames are read."""
        return tuple(self._warnings)

    @property
    def left_out(self) -> int:
        """Frames that could not be used, or are missing."""
        return self._left_out

    def read(self) -> Frame | None:
        """The next frame, or None when the source has ended or was closed.

        Of a live source, single frames of another size, as transmission errors cause, are left out and
        counted; a size that persists becomes the source's. Raises AtmeError when the source breaks off,
        stalls, or delivers unusable data.
        """
        while True:
            taken = self._read_unless_closed()
            if taken is None:
                return None
            index = self._count
            self._count += 1
            if not self.live or self._fits(*taken):
                break
        timestamp = self._in_order(self._since_first(taken[0]) if self.live else taken[0])
        self._last_timestamp = timestamp
        return Frame(index, timestamp, taken[1])

    def _read_unless_closed(self) -> tuple[float | None, Image | Deferred] | None:
        try:
            with self._in_use:
                taken = None if self._closed.is_set() else self.read_next()
        except Exception:
            if not self._closed.is_set():
                raise
        if self._closed.is_set():  # closed while this thread used the source: then this thread releases it
            self.close()
            return None
        return taken

    def _fits(self, timestamp: float | None, image: Image | Deferred) -> bool:
        """Whether the image has the size of the earlier ones, or a new size that has persisted."""
        height, width = image.shape[:2]
        if (width, height) == self.size:
            self._other_size = None
            return True
        now = time.monotonic() if timestamp is None else timestamp
        if self._other_size is None or self._other_size[0] != (width, height):
            self._other_size = (width, height), now
        elif now - self._other_size[1] >= NEW_SIZE_S:
            self._warn(f"the image changed from {self.size[0]}x{self.size[1]} to {width}x{height}")
            self.size, self._other_size = (width, height), None
            return True
        self._leave_out("some frames were damaged in transmission (another size) and were left out")
        return False

    def _leave_out(self, why: str) -> None:
        self._left_out += 1
        self._warn(why)

    def stop(self) -> None:
        """Ends the frames: ``read`` returns None from now on. Touches nothing that could hang or fail."""
        self._closed.set()

    def close(self) -> None:
        """Releases the device, file or connection, as soon as the reading thread has left it."""
        self._closed.set()
        if self._in_use.acquire(blocking=False):
            try:
                self.release()
            finally:
                self._in_use.release()

    def __enter__(self: _Source) -> _Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def read_next(self) -> tuple[float | None, Image | Deferred] | None:
        """Time in seconds (live: ``time.monotonic()``; None where the medium gives none) and the image.

        The image is BGR uint8, height × width × 3, C-contiguous, or ``Deferred``. None at the end. Called by
        ``read`` alone, on one thread; raises AtmeError where the source breaks off.
        """

    @abstractmethod
    def release(self) -> None:
        """Closes the device, file or connection; called at least once, possibly several times."""

    def _since_first(self, timestamp: float | None) -> float | None:
        if self.origin is None:
            self.origin = timestamp
        return None if timestamp is None or self.origin is None else timestamp - self.origin

    def _in_order(self, timestamp: float | None) -> float:
        """The timestamp or, where it is missing or does not advance, the best estimate that does."""
        last = self._last_timestamp
        if timestamp is not None and (last is None or timestamp > last):
            return timestamp
        if self.live and last is not None:
            return last + _TICK
        self._warn("some frames have no usable timestamp and are spaced by the frame rate")
        return 0.0 if last is None else last + 1.0 / (self.nominal_fps or 30.0)

    def _warn(self, message: str) -> None:
        message = printable(message)
        if message not in self._warnings:
            self._warnings.append(message)
