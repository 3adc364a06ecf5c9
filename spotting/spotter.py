"""Finds movements in the motion signal, causally: onset, apex and offset, or a reason to turn them away.

A movement begins when the signal crosses a threshold above its usual level. It is decided when the signal
has fallen back, or, where it falls slowly, when its end can be foreseen; only then, with the peak known, are
onset and offset read off the curve. Nothing looks ahead: ``Candidate.decided`` is the time of the decision.
Whether the movement counts is for ``spotting.judge`` to say, a small network, or for the rules of
``spotting.refusal`` alone.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from spotting.candidate import Candidate, Rejection
from spotting.judge import Judge, Verdict
from spotting.motion import MotionSample
from spotting.refusal import Refusal, RefusalConfig, Rules
from spotting.sensitivity import OPERATING_POINTS, Sensitivity

OF_THE_POINT = math.nan
"""Stands for what the operating point says."""


@dataclass(frozen=True)
class SpotterConfig(RefusalConfig):
    """When a movement counts. Times in ms; distances in pixels of a 256-px face."""

    sensitivity: Sensitivity = "normal"
    """The operating point; the four settings that follow are its own where they are not given."""
    min_motion: float = OF_THE_POINT
    """Least threshold: what the flow can still tell from nothing on a clean picture."""
    threshold_factor: float = OF_THE_POINT
    """Threshold as a multiple of the noise floor; lower finds more, and more that is not there."""
    likely: float = OF_THE_POINT
    """A movement that is over, or was waited for, counts at this chance of a micro-expression or more."""
    sure: float = OF_THE_POINT
    """One that is still falling counts already where it gives this chance."""
    fallen: float = 0.5
    """A movement is over when the signal has fallen to this part of its peak."""
    patience_ms: float = 100.0
    """So long after the peak a fall that has begun is enough; its end is foreseen from its slope."""
    shoulder: float = 0.6
    foot: float = 0.3
    """Onset and offset lie where the line through these two parts of the peak meets the ground."""
    smoothing_ms: float = 35.0
    """The signal is averaged over this long: two frames at 30 fps, for one alone is noisy."""
    warm_up_ms: float = 500.0
    """After the face appears, time to learn its usual level before anything is reported."""
    longest_gap_ms: float = 200.0
    """Frames further apart than this could hide a movement: what was under way is turned away."""

    def __post_init__(self) -> None:
        for name, value in asdict(OPERATING_POINTS[self.sensitivity]).items():
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, value)


_SUMMIT = 0.95
"""What is above this part of the peak cannot be told from it."""
_BEGUN = 0.8
"""A fall has begun when the signal is under this part of its peak."""
_JUDGED = 0.9
"""From here on a movement that falls is shown to the judge."""
_JUDGE_AGAIN_S = 0.015
"""No more often than this: more frames a second must not mean more chances."""

RULED = SpotterConfig(min_motion=0.28, threshold_factor=2.3)
"""Settings with which the rules alone do best: they turn less away, so less may come to them."""


@dataclass(frozen=True)
class _Point:
    sample: MotionSample
    value: float
    """Smoothed signal."""
    time: float
    """Middle of the smoothing window."""
    frame: int
    """The frame nearest to it."""


@dataclass(frozen=True)
class _Shape:
    rise: list[_Point]
    """From the peak back to the beginning."""
    fall: list[_Point]
    """From the peak to the newest sample."""
    resting: float
    height: float
    """Of the newest sample: 1 at the peak, 0 at rest."""
    full: float
    falls: float
    """When the curve comes up to the summit, and when it leaves it."""


class Spotter:
    """``push`` samples, take candidates; ``flush`` at the end; ``reset`` between recordings.

    With a ``judge`` the network says what counts; without one the ``rules`` do.
    """

    def __init__(
        self, config: SpotterConfig | None = None, judge: Judge | None = None, rules: Rules | None = None
    ) -> None:
        self.config = config or (SpotterConfig() if judge else RULED)
        self._judge, self._rules = judge, rules or Rules()
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen; counters of rejections too."""
        self.rejections: list[Rejection] = []
        self.threshold = self.config.min_motion
        self._restart()

    def _restart(self) -> None:
        self._points: deque[_Point] = deque()
        self._raw: deque[MotionSample] = deque()
        self._refusal = Refusal(self.config, self._rules)
        self._since: float | None = None
        self._active_since: float | None = None
        self._judged = -math.inf
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
        """Takes the next sample; returns the movements that have just been decided (0 or 1).

        A sample that is not later than the one before is passed over: it says nothing new.
        """
        if self._raw and self._stands_still(sample):
            return []
        if not sample.face:
            if self._active_since is not None:
                self._finish("face lost")
            self._restart()
            return []
        if self._since is None:
            self._since = sample.time
        point = self._smooth(sample)
        self._points.append(point)
        self._refusal.see(sample)
        self.threshold = max(self.config.min_motion, self.config.threshold_factor * sample.floor)
        self._forget(sample.time)
        self._ready = sample.time - self._since >= self.config.warm_up_ms / 1000
        if not self._ready:
            return []
        return self._decide(point)

    def flush(self) -> list[Candidate]:
        """The stream ends: a movement whose fall was not seen is turned away, never guessed."""
        return [] if self._active_since is None else self._finish("cut off")

    def _stands_still(self, sample: MotionSample) -> bool:
        """Deals with time that does not go on as it should; True where the sample is to be passed over."""
        step = sample.time - self._raw[-1].time
        longest = self.config.longest_gap_ms / 1000
        if -longest < step <= 0:
            return True
        if abs(step) > longest:
            if self._active_since is not None:
                self._finish("frames missing")
            self._points.clear()
            self._raw.clear()
            self._armed = False
            if step < 0:  # another clock: nothing that was learnt can be dated
                self._restart()
        return False

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

    def _decide(self, point: _Point) -> list[Candidate]:
        if self._active_since is None:
            if point.value < self.threshold:
                self._armed = True
            elif self._armed and not point.sample.rebased:
                self._active_since = point.time
                self._armed = False
            return []
        shape = self._shape()
        longest = self.config.max_duration_ms / 1000
        over = shape.height <= self.config.fallen
        if point.sample.rebased or (point.time - self._active_since > 1.5 * longest and not over):
            return self._finish("macro")
        waited = point.sample.time - shape.full > self.config.patience_ms / 1000
        if over or (waited and shape.height < _BEGUN and self._movement(shape).duration < longest):
            return self._finish()
        if self._judge and shape.height < _JUDGED and point.sample.time - self._judged > _JUDGE_AGAIN_S:
            return self._finish_if_sure(self._judge, self._movement(shape))
        return []

    def _shape(self) -> _Shape:
        """The curve of the movement under way, seen from its peak."""
        began = self._active_since
        assert began is not None
        points = list(self._points)
        top = max((k for k, p in enumerate(points) if p.time >= began), key=lambda k: points[k].value)
        rise, fall = points[top::-1], points[top:]
        peak = points[top].value
        resting = min(points[top].sample.floor, peak)
        summit = resting + _SUMMIT * (peak - resting)
        full, falls = _reach(rise, summit)[0], _reach(fall, summit)[0]
        height = (fall[-1].value - resting) / max(peak - resting, 1e-9)
        return _Shape(rise, fall, resting, height, full, falls)

    def _movement(self, shape: _Shape) -> Candidate:
        """The movement under way, as far as it is known: its peak, and where the curve leaves the ground."""
        top, points = shape.rise[0], shape.rise[::-1] + shape.fall[1:]
        # The peak of a noisy curve is anywhere on its summit; the middle of the summit is steadier.
        apex = (shape.full + shape.falls) / 2 if shape.height < _SUMMIT else top.time
        onset, offset = self._foot(shape.rise, shape.resting), self._offset(shape, apex)
        return Candidate(
            onset=onset,
            apex=apex,
            offset=offset,
            onset_frame=_nearest(shape.rise, onset),
            apex_frame=_nearest(points, apex),
            offset_frame=_nearest(shape.fall, offset),
            score=top.value / self.threshold,
            peak=top.value,
            region=top.sample.region,
            decided=points[-1].sample.time,
        )

    def _offset(self, shape: _Shape, apex: float) -> float:
        """The end of the fall: of the raised cosine through the lowest part of it that is seen."""
        if shape.height >= _SUMMIT:
            return shape.fall[-1].time
        peak = shape.fall[0].value
        low, value = _reach(shape.fall, shape.resting + self.config.foot * (peak - shape.resting))
        return apex + (low - apex) / _cosine((value - shape.resting) / max(peak - shape.resting, 1e-9))

    def _foot(self, slope: list[_Point], resting: float) -> float:
        """When the curve stands on the ground, walking from the apex outwards.

        The line through two heights of the slope is prolonged down to the usual level, for the foot itself
        drowns in noise; where the lower height is not reached yet, so is what there is of the slope.
        """
        apex = slope[0]
        high, low = (
            _reach(slope, resting + part * (apex.value - resting))
            for part in (self.config.shoulder, self.config.foot)
        )
        if low[1] >= high[1]:
            return low[0]
        step = (low[0] - high[0]) * (low[1] - resting) / (high[1] - low[1])
        longest = 2 * abs(low[0] - apex.time)
        return float(np.clip(low[0] + step, apex.time - longest, apex.time + longest))

    def _finish_if_sure(self, judge: Judge, movement: Candidate) -> list[Candidate]:
        """Decides a movement that is still falling where it is plain what it is."""
        self._judged = movement.decided
        verdict = judge(movement, self._refusal.samples)
        if verdict.probability >= self.config.sure and not self._refusal.spoilt(movement):
            movement = self._put_right(replace(movement, probability=verdict.probability), verdict)
            if not self._is_long(movement):
                return self._done(movement, None)
        return []

    def _finish(self, reason: str | None = None) -> list[Candidate]:
        movement = self._movement(self._shape())
        if self._judge is None:
            return self._done(movement, self._refusal.reason_against(movement, reason))
        reason = reason or self._refusal.spoilt(movement)
        if reason is None:
            verdict = self._judge(movement, self._refusal.samples)
            movement = replace(movement, probability=verdict.probability)
            if verdict.probability >= self.config.likely:
                movement = self._put_right(movement, verdict)
                reason = "macro" if self._is_long(movement) else None
            else:
                reason = verdict.reason
        return self._done(movement, reason)

    def _is_long(self, movement: Candidate) -> bool:
        return 1000 * movement.duration > self.config.max_duration_ms

    def _put_right(self, movement: Candidate, verdict: Verdict) -> Candidate:
        """The movement with the judge's onset < apex < offset, and the frames nearest to them.

        The apex is no later than the decision, for it has been seen.
        """
        apex = min(verdict.apex, movement.decided)
        onset, offset = min(verdict.onset, apex - 0.01), max(verdict.offset, apex + 0.01)
        oldest = movement.decided - self.look_behind_ms / 1000
        kept = [sample for sample in self._refusal.samples if sample.time >= oldest]
        times = np.array([sample.time for sample in kept])
        first, top, last = (int(np.abs(times - time).argmin()) for time in (onset, apex, offset))
        top = max(top, 1)
        first, last = min(first, top - 1), max(last, top)  # the pair that is recognised is two pictures
        return replace(
            movement,
            onset=onset,
            apex=apex,
            offset=offset,
            onset_frame=kept[first].frame,
            apex_frame=kept[top].frame,
            offset_frame=kept[last].frame,
        )

    def _done(self, movement: Candidate, reason: str | None) -> list[Candidate]:
        self._active_since = None
        # What has been decided is not looked at again: the next movement starts from here.
        self._points.clear()
        if reason == "macro":
            return [replace(movement, kind="macro")]
        if reason:
            self.rejections.append(Rejection(movement, reason))
            return []
        return [movement]


def _cosine(height: float) -> float:
    """How much of a raised cosine's fall is done at this height: 0 at the peak, 1 at rest."""
    return math.acos(2 * min(max(height, 0.0), 1.0) - 1) / math.pi


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
