"""The head in a synthetic clip: its shape, its gestures, and how it sways at rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FACE_WIDTH = 240.0
"""Pixels from φ1 to φ15 of a portrait that fills a 640×480 image comfortably."""


@dataclass(frozen=True)
class HeadPose:
    """Where the head is, relative to its place in the portrait."""

    dx: float
    dy: float
    """Pixels, right and down."""
    roll: float
    """Radians, clockwise in the image."""
    scale: float
    yaw: float = 0.0
    pitch: float = 0.0
    """Radians, towards the image's right and down: parts near the camera move further."""

    def matrix(self, centre: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(2, 3) similarity from portrait pixels to the pose; it rotates and scales about ``centre``."""
        cos, sin = self.scale * math.cos(self.roll), self.scale * math.sin(self.roll)
        turn = np.array(((cos, -sin), (sin, cos)))
        shift = centre + np.array((self.dx, self.dy)) - turn @ centre
        return np.column_stack((turn, shift))


@dataclass(frozen=True)
class HeadGesture:
    """A nod, a shake, a tilt: the head swings out of its place and back."""

    onset: float
    offset: float
    """Seconds."""
    reach: HeadPose
    """The pose at full swing; its scale is the change, 0 for none."""
    swings: float = 0.5
    """Full cycles between onset and offset; 0.5 is once out and back."""

    def strength(self, time: float) -> float:
        """Within −1 … 1; 0 before and after, without a jump in velocity."""
        share = (time - self.onset) / (self.offset - self.onset)
        if not 0 < share < 1:
            return 0.0
        return math.sin(math.pi * share) * math.sin(2 * math.pi * self.swings * share)


@dataclass(frozen=True)
class HeadShape:
    """Depth of the parts of a head, in face widths."""

    nose: float = 0.13
    """Height of the nose's tip above its root."""
    curve: float = 1.5
    """A face recedes towards its sides by this many times the square of the distance from its middle."""
    uneven: float = 0.0
    """Standard deviation of depth that the model does not explain: smooth, different in every clip."""


@dataclass(frozen=True)
class HeadSway:
    """A head that is never quite at rest: it turns, leans and shifts between 0.15 and 2.5 Hz."""

    way: float
    """Pixels that it shifts within ``SWAY_S``, root mean square; it turns and leans in proportion."""
    bursts: float = 0.0
    """How much the amplitude varies over time: standard deviation of its logarithm."""
    seed: int = 0

    def pose(self, time: float) -> npt.NDArray[np.float64]:
        """(6,) what is added to a ``HeadPose``, in the order of its fields."""
        frequencies, phases, size = _sway(self.seed)
        waves = np.sin(2 * math.pi * frequencies * time + phases) @ size
        mood = math.exp(self.bursts * waves[_MOOD] - self.bursts**2)
        yaw, pitch, right, down, roll, grown = self.way * mood * waves[:_MOOD]
        about_neck = FACE_WIDTH * _NECK
        return np.array(
            (
                0.8 * yaw + 0.6 * right,
                0.7 * pitch + 0.5 * down,
                0.26 * roll / (FACE_WIDTH / 2),
                0.25 * grown / (FACE_WIDTH / 2),
                0.8 * yaw / about_neck,
                0.7 * pitch / about_neck,
            )
        )


SWAY_S = 0.2
"""Seconds in which ``HeadSway.way`` is covered."""
_NECK = 0.55
"""Face widths from the axis about which a head turns to the plane of the eyes."""
_MOOD, _SWAYS = 6, 24
"""Channels of the head's motion, then one for its amplitude; sine waves in each."""


@cache
def _sway(seed: int) -> tuple[Floats, Floats, Floats]:
    """Frequencies and phases of the sine waves, each (channels, waves) laid flat, and (that, channels) sizes:
    each channel of motion moves by 1 within ``SWAY_S``, that of the amplitude has variance 1."""
    rng = np.random.default_rng((seed, 7))
    channels = _MOOD + 1
    frequencies = np.exp(rng.uniform(math.log(0.15), math.log(2.5), (channels, _SWAYS)))
    frequencies[_MOOD] = rng.uniform(0.05, 0.4, _SWAYS)
    size = 1 / frequencies
    moved = 2 * np.sin(math.pi * frequencies * SWAY_S) ** 2
    moved[_MOOD], size[_MOOD] = 0.5, 1.0
    size /= np.sqrt((size**2 * moved).sum(axis=1, keepdims=True))
    laid = np.zeros((channels, _SWAYS, channels))
    laid[np.arange(channels), :, np.arange(channels)] = size
    phases = rng.uniform(0, 2 * math.pi, channels * _SWAYS)
    return frequencies.ravel(), phases, laid.reshape(-1, channels)
