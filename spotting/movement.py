"""A movement in progress: how far the face is from where it was when it began to move."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from spotting.apexes.detector import Proposal
from spotting.candidate import Candidate
from spotting.face.places import REGIONS, by_region
from spotting.memory import Array, Memory

SUMMIT = 0.95
"""Above this fraction of the peak, a value cannot be distinguished from the peak."""
_REST_S = 0.04
"""Seconds over which the resting position is averaged."""
_SHOULDER, _FOOT = 0.6, 0.3
"""The onset is where the line through these two fractions of the peak meets zero."""
_SLOWED, _STEP_S = 5.0, 0.02
"""Near its peak a movement grows by less than this many peaks a second, measured over this many seconds."""
_NAMES = tuple(REGIONS)

_BEFORE_S, _AFTER_S = 0.04, 0.01
"""Seconds before and after a proposed onset over which the resting position is averaged."""

Point = tuple[float, float]
"""Seconds, pixels."""


class Movement:
    """``add`` every sample from the one at which it was detected, then read its shape.

    The curve is the displacement from ``rest``, the places before the movement, in pixels of a 256-px face.
    """

    def __init__(self, memory: Memory, start: int) -> None:
        """``start``: row of the memory at which the face was still at rest; the newest has moved."""
        when = memory.middle
        before = int(np.searchsorted(when, when[start] - _REST_S))
        self.rest: Array = memory.places[before : start + 1].mean(axis=0)
        """(sides, 2) the resting position from which it started."""
        self.noticed = float(memory.time[-1])
        """Seconds."""
        self._ground = memory.floor()
        lengths = by_region(memory.places[before:] - self.rest)
        curve = zip(when[before:].tolist(), lengths.max(axis=1).tolist(), strict=True)
        self._points: list[Point] = list(curve)
        self._top = len(self._points) - 1
        self._region = _NAMES[int(lengths[-1].argmax())]

    def add(self, memory: Memory) -> None:
        """The newest sample of the memory."""
        lengths = by_region(memory.places[-1] - self.rest)
        self._points.append((float(memory.middle[-1]), float(lengths.max())))
        if self._points[-1][1] > self.peak:
            self._top = len(self._points) - 1
            self._region = _NAMES[int(lengths.argmax())]

    @property
    def peak(self) -> float:
        """Pixels."""
        return self._points[self._top][1]

    @property
    def height(self) -> float:
        """Of the newest sample: 1 at the peak, 0 at rest."""
        return self._part(self._points[-1][1])

    @property
    def rises(self) -> bool:
        """It has not come near its peak yet."""
        now, value = self._points[-1]
        if self._top < len(self._points) - 1:
            return False
        time, earlier = next((p for p in self._points[::-1] if now - p[0] >= _STEP_S), self._points[0])
        return value - earlier > _SLOWED * self.peak * (now - time)

    @property
    def full(self) -> float:
        """Time at which the curve reached its summit, in seconds."""
        return _reach(self._rise, self._level(SUMMIT))[0]

    @property
    def _rise(self) -> list[Point]:
        """From the peak back to the beginning."""
        return self._points[self._top :: -1]

    @property
    def _fall(self) -> list[Point]:
        """From the peak to the newest sample."""
        return self._points[self._top :]

    @property
    def _resting(self) -> float:
        return min(self._ground, self.peak)

    def _level(self, part: float) -> float:
        return self._resting + part * (self.peak - self._resting)

    def _part(self, value: float) -> float:
        return (value - self._resting) / max(self.peak - self._resting, 1e-9)

    def candidate(self, threshold: float, memory: Memory) -> Candidate:
        """The movement as known so far; ``memory``: up to the decision."""
        # The peak of a noisy curve is anywhere on its summit; the middle of the summit is steadier.
        apex = self._points[self._top][0]
        if self.height < SUMMIT:
            apex = (self.full + _reach(self._fall, self._level(SUMMIT))[0]) / 2
        onset, offset = self._onset(apex), self._offset(apex)
        return Candidate(
            onset=onset,
            apex=apex,
            offset=offset,
            onset_frame=memory.frame_at(onset),
            apex_frame=memory.frame_at(apex),
            offset_frame=memory.frame_at(offset),
            score=self.peak / threshold,
            peak=self.peak,
            region=self._region,
            decided=float(memory.time[-1]),
        )

    def _onset(self, apex: float) -> float:
        """When the curve leaves zero: the line through two heights of the rise, extrapolated down to it,
        because the very beginning is lost in noise."""
        high, low = (_reach(self._rise, self._level(part)) for part in (_SHOULDER, _FOOT))
        if low[1] >= high[1]:
            return low[0]
        step = (low[0] - high[0]) * (low[1] - self._resting) / (high[1] - low[1])
        return max(low[0] + step, apex - 2 * abs(low[0] - apex))

    def _offset(self, apex: float) -> float:
        """The end of the fall: that of the raised cosine through the lowest part of it seen so far."""
        if self.height >= SUMMIT:
            return self._points[-1][0]
        low, value = _reach(self._fall, self._level(_FOOT))
        return apex + (low - apex) / _cosine(self._part(value))


def proposed(proposal: Proposal, threshold: float, memory: Memory) -> tuple[Candidate, Array]:
    """The movement that the apex detector proposes, and (sides, 2) the places before it; ``memory``: up to
    the decision."""
    when = memory.middle
    begin = int(np.searchsorted(when, proposal.onset - _BEFORE_S))
    end = min(max(int(np.searchsorted(when, proposal.onset + _AFTER_S)), begin + 1), len(when))
    begin = min(begin, end - 1)
    rest: Array = memory.places[begin:end].mean(axis=0)
    last = int(np.searchsorted(when, proposal.offset))
    lengths = by_region(memory.places[end - 1 : last + 1] - rest)
    peak = float(lengths.max())
    found = Candidate(
        onset=proposal.onset,
        apex=min(proposal.apex, float(memory.time[-1])),
        offset=proposal.offset,
        onset_frame=memory.frame_at(proposal.onset),
        apex_frame=memory.frame_at(proposal.apex),
        offset_frame=memory.frame_at(proposal.offset),
        score=peak / threshold,
        peak=peak,
        region=_NAMES[int(lengths.max(axis=0).argmax())],
        decided=float(memory.time[-1]),
    )
    return found, rest


def _cosine(height: float) -> float:
    """How much of a raised cosine's fall is done at this height: 0 at the peak, 1 at rest."""
    return max(math.acos(2 * min(max(height, 0.0), 1.0) - 1) / math.pi, 0.05)


def _reach(slope: list[Point], level: float) -> Point:
    """(time, height) at which the slope first reaches the level; its end if it never does.

    Interpolated between samples, so that the result does not depend on the frame rate.
    """
    for before, after in pairwise(slope):
        if after[1] <= level < before[1]:
            share = (before[1] - level) / (before[1] - after[1])
            return before[0] + share * (after[0] - before[0]), level
    return slope[-1]
