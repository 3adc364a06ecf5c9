"""The neutral face that motion is measured against, and the noise floor of the signal.

The neutral image is the mean over a recent stretch of time in which the face was quiet, and has been since:
so it does not change during a movement, nor contain its slow beginning. A face that comes to rest in another
position, or never rests, gets a new neutral image after a while.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from recognizer.files.setting_types import NO_OTHERS, Number, setting_dataclass
from recognizer.landmarks import Landmarks
from spotting.face.places import DEPTHS, FACE, SKULL, anchors
from spotting.face.pose import Pose, in_canonical
from spotting.place_flow import PlaceFlow

_SMOOTH_S = 0.025
"""Seconds over which the signal is averaged to decide whether the face is quiet."""
_RENEWAL_S = 0.05
"""The neutral image is renewed no more often than this."""


@setting_dataclass(frozen=True, config=NO_OTHERS)
class NeutralConfig:
    """When a face counts as neutral. Times in ms."""

    neutral_age_ms: Annotated[Number, Field(gt=0, le=60_000)] = 160.0
    """The face must be quiet this long; the mean image of the older half becomes the neutral one."""
    neutral_quiet: Annotated[Number, Field(gt=0, le=100)] = 1.7
    """An image may become neutral while the signal is below this multiple of its noise floor."""
    hold_ms: Annotated[Number, Field(gt=0, le=60_000)] = 400.0
    """A face displaced but still for this long has a new resting position: longer than a micro-expression is
    held."""
    restless_ms: Annotated[Number, Field(gt=0, le=60_000)] = 900.0
    """After this long without rest the current image becomes the neutral one."""
    floor_window_ms: Annotated[Number, Field(gt=0, le=600_000)] = 4000.0
    """The noise floor is the median of the signal over this window."""


@dataclass(frozen=True)
class Look:
    """One frame's face."""

    time: float
    picture: npt.NDArray[np.uint8]
    """Canonical."""
    outline: npt.NDArray[np.float64]
    """(4, 2) places around the face in the frame, image pixels."""
    landmarks: Landmarks
    """The newest."""
    pose: Pose
    """Of the canonical image."""
    eyes: float
    """How far open the eyes are."""
    moved: npt.NDArray[np.float64]
    """(sides, 2) displacement of every such place from the neutral face, pixels of a 256-px face."""
    places: npt.NDArray[np.float64]
    """(sides, 2) the same relative to the first neutral face; it continues when the neutral face is
    replaced."""
    signal: float
    """The displacement of the region that moved most."""

    @property
    def anchors(self) -> npt.NDArray[np.float64]:
        """(sides, 2) places at which motion is read, in the canonical image."""
        return anchors(in_canonical(self.pose, self.landmarks))


class NeutralFace:
    """Takes the face of every frame and keeps the neutral face up to date; holds images of about
    ``hold_ms``."""

    def __init__(self, config: NeutralConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forgets the face."""
        self.flow: PlaceFlow | None = None
        """Measures against the neutral image; None before the first frame."""
        self.outline: npt.NDArray[np.float64] | None = None
        """Where the face was in that frame."""
        self.gone: npt.NDArray[np.float64] | float = 0.0
        """(sides, 2) displacement of the neutral face from the first one."""
        self._taken = self._last_quiet = 0.0
        self._recent: deque[tuple[Look, bool]] = deque()  # with: was it quiet
        self._levels: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []  # the same levels by size

    def see(self, look: Look) -> tuple[float, bool]:
        """The signal's noise floor, and whether the neutral face was replaced although it was displaced."""
        floor = self._floor(look.time, look.signal)
        quiet = self._smooth(look) < self._config.neutral_quiet * floor
        return floor, self._renew(look, quiet, floor)

    def begin_anew(self, look: Look) -> None:
        """Makes this face the neutral one, in another pose; the places go on from where they were."""
        self._recent.clear()
        self._take([look], look.time)
        self._last_quiet = look.time

    def _smooth(self, look: Look) -> float:
        """The mean of the signal over a few milliseconds, so that a higher frame rate does not give more
        outliers."""
        near = [p.signal for p, _ in self._recent if look.time - p.time <= _SMOOTH_S]
        return (sum(near) + look.signal) / (len(near) + 1)

    def _floor(self, time: float, signal: float) -> float:
        """The noise floor: the median of the last seconds."""
        ordered = self._ordered
        self._levels.append((time, signal))
        insort(ordered, signal)
        while time - self._levels[0][0] > self._config.floor_window_ms / 1000:
            del ordered[bisect_left(ordered, self._levels.popleft()[1])]
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    def _renew(self, look: Look, quiet: bool, floor: float) -> bool:
        """Updates the neutral image; True when it was replaced although the face was displaced."""
        config, recent, now = self._config, self._recent, look.time
        recent.append((look, quiet))
        while now - recent[0][0].time > config.hold_ms / 1000:
            recent.popleft()
        if self.flow is None:
            self._take([look], now)
            self._last_quiet = now
            return False
        young = [(p, q) for p, q in recent if now - p.time <= config.neutral_age_ms / 1000]
        if len(young) < len(recent) and all(q for _, q in young) and _calm_eyes([p.eyes for p, _ in young]):
            if now - self._taken >= _RENEWAL_S:
                self._take([p for p, _ in young[: len(young) // 2 + 1]], now)
            self._last_quiet = now
            return False
        unrest = now - self._last_quiet
        if unrest <= config.hold_ms / 1000:
            return False
        if unrest <= config.restless_ms / 1000 and not self._rests_elsewhere(now, floor):
            return False
        self.begin_anew(look)
        return True

    def _rests_elsewhere(self, now: float, floor: float) -> bool:
        """The face has hardly moved for as long as it is looked back at."""
        recent = self._recent
        long_enough = now - recent[0][0].time > 0.8 * self._config.hold_ms / 1000
        return long_enough and _still([p for p, _ in recent], 2 * floor)

    def _take(self, looks: Sequence[Look], now: float) -> None:
        """Their mean image: the noise of a single frame would stay in the signal until the next update."""
        total = np.zeros(looks[0].picture.shape, np.float32)
        for look in looks:
            cv2.accumulate(look.picture, total)
        self.flow = PlaceFlow(total / np.float32(len(looks)), SKULL, looks[-1].anchors, DEPTHS, FACE)
        self.outline = np.mean([p.outline for p in looks], axis=0)
        self.gone = np.mean([p.places for p in looks], axis=0)
        self._taken = now


def _calm_eyes(opening: Sequence[float]) -> bool:
    """The lids were not moving."""
    return max(opening) < 1.12 * min(opening)


def _still(looks: Sequence[Look], bound: float) -> bool:
    """No place deviated from its mean by more than ``bound``; it may still be displaced."""
    moved = np.stack([p.moved for p in looks])
    return bool(np.linalg.norm(moved - moved.mean(axis=0), axis=2).max() < bound)
