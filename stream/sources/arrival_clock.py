"""When the frames of a live stream were sent, on this machine's clock.

A network delivers in bursts: four frames that were taken 50 ms apart arrive at 0, 160, 190 and 200 ms. The
stream's own timestamps give their intervals; the arrivals only tell when the whole stream was sent.
"""

from __future__ import annotations

SMALL_S = 0.05
"""Seconds. No frame arrives before it was taken: a stamp ahead of its arrival by no more than this is pulled
back at once, as far as time still advances."""
SMALL_RATE = 0.9
EARLY_RATE = 0.1
"""Where it is more, it is pulled back by this fraction of a frame, as intervals matter more."""
LATE_RATE = 0.001
"""Late frames have usually been delayed; only this share of the elapsed time is attributed to a sender whose
clock is slower than ours."""
FARTHEST_AHEAD_S, FARTHEST_BEHIND_S = 1.0, 10.0
"""Seconds; where timestamps deviate from the arrivals by more, the stream's clock was reset."""


class ArrivalClock:
    """Stamps frames in display order. Not safe to share between threads."""

    def __init__(self, offset: float | None = None) -> None:
        """``offset``: our clock minus the stream's, where it is known; None: the first frame is on time."""
        self._offset = offset
        self._before: float | None = None  # the offset before the stream's clock was reset
        self._last: float | None = None
        """Timestamp of the frame before, on the stream's clock."""

    def stamp(self, time: float | None, arrived: float) -> float:
        """Monotonic seconds of the frame. ``time``: its timestamp in seconds, None where it has none."""
        if time is None:
            return arrived
        step = 0.0 if self._last is None else time - self._last
        if self._offset is None or step < 0 or not self._fits(time + self._offset, arrived):
            self._set_anew(time, arrived)
        else:
            ahead = time + self._offset - arrived
            back = EARLY_RATE if ahead > SMALL_S else SMALL_RATE
            self._offset -= min(max(ahead, -LATE_RATE * step), back * step)
        self._last = time
        assert self._offset is not None
        return time + self._offset

    def _set_anew(self, time: float, arrived: float) -> None:
        before, self._before = self._before, self._offset
        if before is not None and self._fits(time + before, arrived):
            self._offset = before  # a single timestamp was wrong
        else:
            self._offset = arrived - time

    @staticmethod
    def _fits(stamp: float, arrived: float) -> bool:
        return -FARTHEST_BEHIND_S <= stamp - arrived <= FARTHEST_AHEAD_S
