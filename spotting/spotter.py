"""Finds movements in the motion signal, causally: onset, apex and offset, or a reason to turn them away.

A movement begins when the signal crosses a threshold above its usual level and ends when it has fallen
back; only then, with the peak known, are onset and offset read off the curve. Nothing looks ahead: the
decision comes when the fall is seen, ``Candidate.decided``, typically within 150 ms of the apex.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spotting.candidate import Candidate, Rejection
from spotting.motion import MotionSample

_EYES_S = 6.0
"""The usual opening of the eyes is the median over this many seconds."""


@dataclass(frozen=True)
class SpotterConfig:
    """When a movement counts. Times in ms; distances in pixels of a 256-px face."""

    min_motion: float = 0.22
    """Least threshold: what the flow can still tell from nothing on a clean picture."""
    sensitivity: float = 2.6
    """Threshold as a multiple of the signal's usual level; lower finds more, and more that is not there."""
    fallen: float = 0.45
    """A movement is over when the signal has fallen to this part of its peak."""
    shoulder: float = 0.6
    foot: float = 0.3
    """Onset and offset lie where the line through these two parts of the peak meets the ground."""
    min_duration_ms: float = 40.0
    """Shorter than this is noise: no muscle is that fast."""
    max_duration_ms: float = 500.0
    """The accepted upper bound of a micro-expression (Yan et al. 2013); longer ones are macro."""
    smoothing_ms: float = 25.0
    """The signal is averaged over this long (one frame at 40 fps and less)."""
    warm_up_ms: float = 500.0
    """After the face appears, time to learn its usual level before anything is reported."""
    blink_closing: float = 0.85
    """Eyes open less than this part of their usual opening are blinking."""
    blink_margin_ms: float = 80.0
    """Lids still drag the skin for this long before and after the eyes look closed."""
    max_head: float = 9.0
    """The head moving further than this during the movement makes the signal doubtful."""


@dataclass(frozen=True)
class _Point:
    sample: MotionSample
    value: float
    """Smoothed signal."""
    time: float
    """Middle of the smoothing window."""
    frame: int
    """The frame nearest to it."""


class Spotter:
    """``push`` samples, take candidates; ``flush`` at the end; ``reset`` between recordings."""

    def __init__(self, config: SpotterConfig | None = None) -> None:
        self.config = config or SpotterConfig()
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen; counters of rejections too."""
        self.rejections: list[Rejection] = []
        self.threshold = self.config.min_motion
        self._restart()

    def _restart(self) -> None:
        self._points: deque[_Point] = deque()
        self._raw: deque[MotionSample] = deque()
        self._openings: deque[tuple[float, float]] = deque()  # (time, opening)
        self._since: float | None = None
        self._active_since: float | None = None
        self._armed = False
        self._ready = False

    @property
    def ready(self) -> bool:
        """The face is known well enough to report movements."""
        return self._ready

    @property
    def look_behind_ms(self) -> float:
        """How far back of the newest sample an onset can lie: frames must be kept that long."""
        return 2 * self.config.max_duration_ms + self.config.smoothing_ms

    def push(self, sample: MotionSample) -> list[Candidate]:
        """Takes the next sample; returns the movements that have just been decided (0 or 1)."""
        if not sample.face:
            if self._active_since is not None:
                self._finish("face lost")
            self._restart()
            return []
        if self._since is None:
            self._since = sample.time
        point = self._smooth(sample)
        self._points.append(point)
        self._openings.append((sample.time, sample.eye_opening))
        self.threshold = max(self.config.min_motion, self.config.sensitivity * sample.floor)
        self._forget(sample.time)
        self._ready = sample.time - self._since >= self.config.warm_up_ms / 1000
        if not self._ready:
            return []
        return self._decide(point)

    def flush(self) -> list[Candidate]:
        """The stream ends: a movement whose fall was not seen is turned away, never guessed."""
        return [] if self._active_since is None else self._finish("cut off")

    def _smooth(self, sample: MotionSample) -> _Point:
        self._raw.append(sample)
        while sample.time - self._raw[0].time > self.config.smoothing_ms / 1000:
            self._raw.popleft()
        value = float(np.mean([s.signal for s in self._raw]))
        middle = (self._raw[0].time + sample.time) / 2
        nearest = min(self._raw, key=lambda s: abs(s.time - middle))
        return _Point(sample, value, middle, nearest.frame)

    def _forget(self, now: float) -> None:
        while now - self._points[0].time > self.look_behind_ms / 1000:
            self._points.popleft()
        while now - self._openings[0][0] > _EYES_S:
            self._openings.popleft()

    def _decide(self, point: _Point) -> list[Candidate]:
        limit = self.config.max_duration_ms / 1000
        if self._active_since is None:
            if point.value < self.threshold:
                self._armed = True
            elif self._armed and not point.sample.rebased:
                self._active_since = point.time
                self._armed = False
            return []
        began = self._active_since
        peak = max(p.value for p in self._points if p.time >= began)
        resting = min(point.sample.floor, peak)
        over = point.value <= resting + self.config.fallen * (peak - resting)
        if point.sample.rebased or (point.time - began > 1.5 * limit and not over):
            return self._finish("macro")
        return self._finish() if over else []

    def _movement(self) -> Candidate:
        """The movement under way, as far as it is known: its peak, and where the curve leaves the ground."""
        began = self._active_since
        assert began is not None
        points = list(self._points)
        top = max((k for k, p in enumerate(points) if p.time >= began), key=lambda k: points[k].value)
        apex, end = points[top], points[-1]
        rise, fall = points[top::-1], points[top:]
        onset, offset = self._foot(rise), self._foot(fall)
        return Candidate(
            onset=onset,
            apex=apex.time,
            offset=offset,
            onset_frame=_nearest(rise, onset),
            apex_frame=apex.frame,
            offset_frame=_nearest(fall, offset),
            score=apex.value / self.threshold,
            peak=apex.value,
            region=apex.sample.region,
            decided=end.sample.time,
        )

    def _foot(self, slope: list[_Point]) -> float:
        """When the curve stands on the ground, walking from the apex outwards.

        The line through two heights of the slope is prolonged down to the usual level, for the foot itself
        drowns in noise; where the lower height is not reached yet, so is what there is of the slope.
        """
        apex = slope[0]
        resting = min(apex.sample.floor, apex.value)
        high, low = (
            _reach(slope, resting + part * (apex.value - resting))
            for part in (self.config.shoulder, self.config.foot)
        )
        if low[1] >= high[1]:
            return low[0]
        step = (low[0] - high[0]) * (low[1] - resting) / (high[1] - low[1])
        longest = 2 * abs(low[0] - apex.time)
        return float(np.clip(low[0] + step, apex.time - longest, apex.time + longest))

    def _finish(self, reason: str | None = None) -> list[Candidate]:
        movement = self._movement()
        reason = reason or self._reason_against(movement)
        self._active_since = None
        # What has been decided is not looked at again: the next movement starts from here.
        self._points.clear()
        if reason:
            self._reject(movement, reason)
            return []
        return [movement]

    def _reason_against(self, movement: Candidate) -> str | None:
        config = self.config
        if movement.duration * 1000 > config.max_duration_ms:
            return "macro"
        if movement.duration * 1000 < config.min_duration_ms:
            return "too short"
        margin = config.blink_margin_ms / 1000
        during = [
            p.sample for p in self._points if movement.onset - margin <= p.time <= movement.offset + margin
        ]
        usual = float(np.median([opening for _, opening in self._openings]))
        if min(s.eye_opening for s in during) < config.blink_closing * usual:
            return "blink"
        if max(s.head for s in during) > config.max_head:
            return "head motion"
        return None

    def _reject(self, movement: Candidate, reason: str) -> None:
        self.rejections.append(Rejection(movement, reason))


def _nearest(points: list[_Point], time: float) -> int:
    return min(points, key=lambda p: abs(p.time - time)).frame


def _reach(slope: list[_Point], level: float) -> tuple[float, float]:
    """(time, height) at which the slope first comes down to the level; its end if it never does.

    Interpolated between samples, or the answer would depend on the frame rate.
    """
    for before, after in pairwise(slope):
        if after.value <= level < before.value:
            share = (before.value - level) / (before.value - after.value)
            return before.time + share * (after.time - before.time), level
    return slope[-1].time, slope[-1].value
