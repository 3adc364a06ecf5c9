"""Motion samples made from a curve: what a spotter sees, without a video."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotting.apexes.detector import Proposal
from spotting.candidate import Candidate
from spotting.classifier import Prediction
from spotting.face.places import SIDES
from spotting.memory import Memory
from spotting.motion import NO_FACE, MotionSample
from spotting.spotter import Spotter

FLOOR = 0.05
_CORNERS = [k for k, side in enumerate(SIDES) if side[0] == "lip corners"]
_GAIN = 1.4
"""Of the motion meter: this much further than its places a region moves."""


@dataclass(frozen=True)
class Bump:
    """A movement: raised cosines up and down, and a hold between."""

    onset: float
    apex: float
    offset: float
    height: float = 1.5
    hold: float = 0.0

    def __call__(self, time: float) -> float:
        if not self.onset < time < self.offset:
            return 0.0
        if time < self.apex:
            share = (time - self.onset) / (self.apex - self.onset)
        elif time <= self.apex + self.hold:
            share = 1.0
        else:
            share = (self.offset - time) / (self.offset - self.apex - self.hold)
        return self.height * (0.5 - 0.5 * math.cos(math.pi * share))


def at_rate(fps: float, seconds: float = 4.0, phase: float = 0.0) -> list[float]:
    """Times of a camera."""
    return [(index + phase) / fps for index in range(round(seconds * fps))]


def irregular(
    seed: int, seconds: float = 4.0, shortest: float = 0.006, longest: float = 0.034
) -> list[float]:
    """Times of a variable frame rate."""
    steps = np.random.default_rng(seed).uniform(shortest, longest, math.ceil(seconds / shortest))
    times = np.cumsum(steps)
    return [float(time) for time in times[times < seconds]]


def samples(
    times: Sequence[float],
    curve: Callable[[float], float] = lambda time: 0.0,
    noise: float = 0.0,
    seed: int = 0,
    change: Callable[[MotionSample], MotionSample] = lambda sample: sample,
) -> list[MotionSample]:
    """Lip corners that go up as far as the curve says, and noise; ``change`` may alter each sample."""
    rng = np.random.default_rng(seed)
    made = []
    for frame, time in enumerate(times):
        moved = curve(time) + noise * float(rng.standard_normal())
        signal = abs(moved) + FLOOR
        regions = {**NO_FACE, "lip corners": signal}
        sample = MotionSample(
            frame=frame,
            time=time,
            face=True,
            regions=regions,
            signal=signal,
            region="lip corners",
            floor=FLOOR,
            eye_opening=0.3,
            head=0.5,
            rebased=False,
            face_px=240.0,
            brightness=120.0,
            places=lip_corners(moved),
        )
        made.append(change(sample))
    return made


def lip_corners(moved: float) -> tuple[float, ...]:
    """``MotionSample.places`` of a face whose lip corners are so many pixels up."""
    places = np.zeros((len(SIDES), 2))
    places[_CORNERS, 1] = -moved / _GAIN
    return tuple(places.ravel().tolist())


class Told:
    """A classifier that says what it was told to, and remembers when it was asked."""

    def __init__(self, probability: float = 0.7, reason: str = "speech") -> None:
        self.probability, self.reason = probability, reason
        self.asked: list[float] = []

    def __call__(self, movement: Candidate, memory: Memory, rest: object) -> Prediction:
        """The movement's own times."""
        self.asked.append(movement.decided)
        return Prediction(self.probability, self.reason, movement.onset, movement.apex, movement.offset)


class Agreeing:
    """An apex detector that takes every movement for a micro-expression, and proposes what it was told to
    once ``ahead`` seconds have passed since the apex."""

    def __init__(self, *proposals: Proposal, ahead: float = 0.1) -> None:
        self._proposals, self._ahead = proposals, ahead
        self.reset()

    def reset(self) -> None:
        """Proposes all of it again."""
        self._left = list(self._proposals)
        self._now = 0.0

    def update(self, memory: Memory) -> list[Proposal]:
        """Those whose time has come."""
        self._now = float(memory.time[-1])
        due = [one for one in self._left if one.apex + self._ahead <= self._now]
        self._left = [one for one in self._left if one not in due]
        return due

    def probability(self, apex: float) -> float:
        """Certain."""
        return 1.0

    def expected(self) -> Proposal | None:
        """One whose apex has passed."""
        return next((one for one in self._left if one.apex <= self._now), None)


def blind(sample: MotionSample) -> MotionSample:
    """No face in this frame."""
    return replace(sample, face=False, regions=NO_FACE, signal=0.0, region="", floor=0.0)


def spot(spotter: Spotter, stream: Sequence[MotionSample]) -> list[Candidate]:
    """Everything found, the end included."""
    found = [candidate for sample in stream for candidate in spotter.push(sample)]
    return found + spotter.flush()
