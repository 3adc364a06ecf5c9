"""The times of a recording's frames as players show them, also where single timestamps are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAP_S = 1.0
"""Seconds by which a timestamp may run ahead before later ones have to confirm it, or lie beyond the end that
the file states."""


@dataclass(frozen=True)
class ClockConfig:
    """What is known about a recording's clock beforehand."""

    zero: float
    """Seconds on the file's clock that players call 0: where its first stream starts, sound or image."""
    rate: float
    """Frames a second that the file states, or that are assumed."""
    length: float | None = None
    """Seconds from ``zero`` to the end stated by the file; None where it states none."""
    fps: float | None = None
    """The n-th frame is at ``n / fps``, whatever its timestamp says; None: timestamps count."""
    slow_motion: float = 1.0
    """The recording plays this many times slower than real time: its times are divided by this."""


class VideoClock:
    """Turns timestamps into times that advance. One call per frame, in display order.

    A timestamp far ahead or behind that is not confirmed by later ones is wrong: its frame is put between its
    neighbours. A leap that is confirmed is a gap in the recording and stays one. A clock that goes back for
    good was restarted: its frames follow the one before at their own intervals.
    """

    def __init__(self, config: ClockConfig, warn: Callable[[str], None]) -> None:
        self._config = config
        self._warn = warn
        self._step = 1.0 / config.rate
        self._count = 0
        self._last: float | None = None
        self._shift = 0.0
        self.trusted = True
        """False once a timestamp was wrong: the file's stated length may come from it."""

    def time(self, stamp: float | None, ahead: Sequence[float], lost: int = 0) -> float:
        """Seconds of the frame; ``stamp`` and ``ahead`` (frames to come, in any order) on the file's clock.

        ``lost``: frames before this one that could not be decoded.
        """
        config = self._config
        if config.fps is not None:
            time = (self._count + lost) / config.fps
        else:
            time = self._last = self._checked(stamp, ahead)
        self._count += 1
        return time / config.slow_motion

    def _checked(self, stamp: float | None, ahead: Sequence[float]) -> float:
        last, zero = self._last, self._config.zero
        if stamp is None:
            self._warn("some frames have no usable timestamp and are spaced by the frame rate")
            return 0.0 if last is None else last + self._step
        self._come_back(stamp - zero)
        time = stamp - zero + self._shift
        coming = [other - zero + self._shift for other in ahead]
        if last is None or time > last + LEAP_S:
            return self._after_a_leap(time, coming)
        return time if time > last else self._after_a_step_back(time, coming)

    def _after_a_leap(self, time: float, coming: Sequence[float]) -> float:
        last = self._last
        earlier = [other for other in coming if (last is None or other > last) and other < time - LEAP_S / 2]
        if 2 * len(earlier) > len(coming):
            return self._between(min(earlier))
        length = self._config.length
        if last is not None and length is not None and time > length + LEAP_S:
            self._warn(
                f"timestamps after {last:.1f} s lie far behind the file's end and are counted on from there"
            )
            self._shift += last + self._step - time
            return last + self._step
        return time

    def _after_a_step_back(self, time: float, coming: Sequence[float]) -> float:
        assert self._last is not None
        later = [other for other in coming if other > self._last]
        if later or not coming:
            return self._between(min(later, default=self._last + 2 * self._step))
        self._warn(f"the file's clock goes back after {self._last:.1f} s; times are counted on from there")
        self._shift += self._last + self._step - time
        return self._last + self._step

    def _between(self, following: float) -> float:
        self.trusted = False
        self._warn("some frames have a wrong timestamp and are put between their neighbours")
        if self._last is None:
            return max(following - self._step, 0.0)
        return min(self._last + self._step, (self._last + following) / 2)

    def _come_back(self, time: float) -> None:
        """Returns to the file's own times once they are plausible again."""
        length, last = self._config.length, self._last
        if self._shift < 0 and last is not None and length is not None and last < time <= length + LEAP_S:
            self._shift = 0.0
