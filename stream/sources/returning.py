"""A live source that may disappear: it is reopened when it returns, and its clock keeps running."""

from __future__ import annotations

import time
from collections.abc import Callable

from recognizer.errors import AtmeError
from stream.frame import Deferred, Frame, Image
from stream.sources.base import FrameSource

RETRY_S = 0.5
"""Seconds between two attempts to open a source that is away."""


class Returning(FrameSource):
    """Frames of whatever ``opener`` opens; if that ends, breaks off or stalls, it is opened again.

    Timestamps stay on one monotonic clock, so the absence is a gap in them. A source that is not live
    (a finished recording behind an address) ends for good. Closing never waits for an attempt.
    """

    def __init__(self, opener: Callable[[], FrameSource]) -> None:
        """Opens it at once: a source that is missing at the start is an AtmeError, as without waiting."""
        self._opener = opener
        self._inner = inner = opener()
        self._absences: list[float] = []
        self._reason = ""
        super().__init__(
            name=inner.name,
            live=inner.live,
            size=inner.size,
            nominal_fps=inner.nominal_fps,
            duration=inner.duration,
        )
        self.clock, self.clock_assumed = inner.clock, inner.clock_assumed

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the source as last opened, and how often and how long it was away."""
        times = len(self._absences)
        if not times:
            return self._inner.warnings
        often = "once" if times == 1 else f"{times} times"
        away = f"was away {often}, {sum(self._absences):.1f} s in all; the last time because {self._reason}"
        return (*self._inner.warnings, away)

    @property
    def left_out(self) -> int:
        """Frames left out by all sources that were opened."""
        return self._left_out + self._inner.left_out

    def read_next(self) -> tuple[float | None, Image | Deferred] | None:
        if not self.live:
            frame = self._inner.read()
            return None if frame is None else (frame.timestamp, frame.picture)
        frame = self._read() or self._wait_for_return()
        if frame is None:
            return None
        assert self._inner.origin is not None
        self.size = self._inner.size
        return self._inner.origin + frame.timestamp, frame.picture

    def _read(self) -> Frame | None:
        """The next frame; None, with the reason noted, if the source is gone."""
        try:
            frame = self._inner.read()
        except AtmeError as error:
            self._reason = str(error)
            return None
        if frame is None:
            self._reason = "it ended"
        return frame

    def _wait_for_return(self) -> Frame | None:
        """The first frame after the source has come back, in whatever size; None once closed."""
        left, reason = time.monotonic(), self._reason
        self._inner.close()
        self._left_out += self._inner.left_out
        while not self._closed.wait(RETRY_S):
            try:
                self._inner = self._opener()
            except AtmeError:
                continue
            frame = self._read()
            if frame is not None:
                self._absences.append(time.monotonic() - left)
                self._reason = reason
                return frame
            self._inner.close()
        return None

    def release(self) -> None:
        self._inner.close()
