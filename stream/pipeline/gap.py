"""Stretches of time without frames: motion across them must not be mistaken for one movement."""

from __future__ import annotations

from dataclasses import dataclass

from stream.frame import Frame

LEAST_S = 0.5
"""Seconds without a frame that count as a gap: long enough to hide a whole micro-expression."""


@dataclass(frozen=True)
class Gap:
    """No frames between these two; seconds on the source's clock."""

    start: float
    """Time of the last frame before."""
    end: float
    """Time of the first frame after."""
    reason: str
    """``paused``, ``frame size changed``, ``frames dropped`` or ``no frames``."""


class GapFinder:
    """Compares each frame with the one before it. Used by one thread."""

    def __init__(self) -> None:
        self._last: tuple[int, float, tuple[int, ...]] | None = None  # index, time, the image's shape

    def before(self, frame: Frame, paused: bool = False) -> Gap | None:
        """The gap that ends at this frame, if one does. ``paused``: the user paused since the last frame."""
        last, self._last = self._last, (frame.index, frame.timestamp, frame.picture.shape)
        if last is None:
            return None
        index, time, shape = last
        if paused:
            return Gap(time, frame.timestamp, "paused")
        if shape != frame.picture.shape:
            return Gap(time, frame.timestamp, "frame size changed")
        if frame.timestamp - time > LEAST_S:
            return Gap(time, frame.timestamp, "no frames" if frame.index == index + 1 else "frames dropped")
        return None
