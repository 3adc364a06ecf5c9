"""What happens in a synthetic clip, and when: the script that `training.clip` renders.

Pure time and geometry, no pictures: expressions and their envelopes, blinks, the drift of head and light.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from recognizer.recognition import CLASSES
from training.motion_model import Activation

Floats = npt.NDArray[np.float64]

FACE_WIDTH = 240.0
"""Pixels from φ1 to φ15 of a portrait that fills a 640×480 picture comfortably."""
NARROW = 0.25
"""Lids that come down by less than this are narrowed eyes, no blink."""
GLANCE_S = 0.04
"""A saccade of some degrees takes so long (Bahill et al. 1975, DOI 10.1016/0025-5564(75)90075-9)."""
BLINK_CLOSING, BLINK_CLOSED, BLINK_OPENING = 0.10, 0.05, 0.15
"""Seconds. Lids fall faster than they rise."""


@dataclass(frozen=True)
class Action:
    """One movement of the face: a micro-expression, or (without a label) a distractor such as speech.

    Raises ValueError for an unknown label or times out of order.
    """

    label: str | None
    """negative, positive or surprise; None for what a spotter should turn away."""
    activations: tuple[Activation, ...]
    """The action units at full strength."""
    onset: float
    apex: float
    offset: float
    """Seconds: the last moment at rest, the first at full strength, the first at rest again."""
    hold: float = 0.0
    """Seconds at full strength, from the apex on."""
    kind: str = "micro"
    """micro; or what a spotter should reject: macro, speech, mouth, blink, gesture, gaze."""
    rest: float = 0.0
    """Part of the strength that is left at the offset: the face does not always come back to where it was."""
    stays: float = 0.0
    """Seconds from the offset for which that part stays."""
    fades: float = 1.0
    """Seconds that it then takes to go."""

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in CLASSES:
            raise ValueError(f"an action's label is one of {CLASSES} or None, not {self.label!r}")
        if not (self.onset < self.apex and 0 <= self.hold < self.offset - self.apex):
            raise ValueError(f"an action needs onset < apex, and apex + hold < offset: {self}")
        if not (0 <= self.rest < 1 and self.stays >= 0 and self.fades > 0):
            raise ValueError(f"an action needs 0 <= rest < 1, stays >= 0 and fades > 0: {self}")

    def strength(self, time: float) -> float:
        """0 at rest, 1 at the apex, with raised cosines between: no jump in speed at either end."""
        if time <= self.onset:
            return 0.0
        if time >= self.offset:
            gone = min(max(time - self.offset - self.stays, 0.0) / self.fades, 1.0)
            return self.rest * _eased(1 - gone) if self.rest else 0.0
        if time < self.apex:
            return _eased((time - self.onset) / (self.apex - self.onset))
        if time <= self.apex + self.hold:
            return 1.0
        done = (self.offset - time) / (self.offset - self.apex - self.hold)
        return self.rest + (1 - self.rest) * _eased(done) if self.rest else _eased(done)


def _eased(done: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * done)


@dataclass(frozen=True)
class Blink:
    """The lids fall and rise."""

    start: float
    """Seconds: when they begin to fall."""
    depth: float = 1.0
    """How far they come down: 1 is closed."""
    closing: float = BLINK_CLOSING
    closed: float = BLINK_CLOSED
    opening: float = BLINK_OPENING
    """Seconds that each part of it takes."""

    @property
    def end(self) -> float:
        """When the eyes are open again."""
        return self.start + self.closing + self.closed + self.opening


@dataclass(frozen=True)
class HeadPose:
    """Where the head is, against its place in the portrait."""

    dx: float
    dy: float
    """Pixels, right and down."""
    roll: float
    """Radians, clockwise in the picture."""
    scale: float
    yaw: float = 0.0
    pitch: float = 0.0
    """Radians, towards the picture's right and down: what is near the camera moves further."""

    def matrix(self, centre: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(2, 3) similarity that takes portrait pixels to the pose; it turns and grows about ``centre``."""
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
    """Full to-and-fros between onset and offset; 0.5 is once out and back."""

    def strength(self, time: float) -> float:
        """Within −1 … 1, 0 before and after, without a jump in speed."""
        share = (time - self.onset) / (self.offset - self.onset)
        if not 0 < share < 1:
            return 0.0
        return math.sin(math.pi * share) * math.sin(2 * math.pi * self.swings * share)


@dataclass(frozen=True)
class HeadShape:
    """How far the parts of a head lie before one another, in face widths."""

    nose: float = 0.13
    """Height of the nose's tip above its root."""
    curve: float = 1.5
    """A face falls back to its sides by so many times the square of the way from its middle."""
    uneven: float = 0.0
    """Standard deviation of what no model of heads knows: smooth, different in every clip."""


@dataclass(frozen=True)
class HeadSway:
    """A head that is never quite at rest: it turns, leans and shifts between 0.15 and 2.5 Hz."""

    way: float
    """Pixels that it shifts within ``SWAY_S``, root mean square; it turns and leans in proportion."""
    bursts: float = 0.0
    """How much livelier it is at times: standard deviation of the logarithm of its size."""
    seed: int = 0

    def pose(self, time: float) -> npt.NDArray[np.float64]:
        """(6,) what is added to a ``HeadPose``, in its order."""
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
_NECK = 0.55
"""Face widths from the axis about which a head turns to the plane of the eyes."""
_MOOD, _SWAYS = 6, 24
"""Channels of the head's own motion, then one for how lively it is; sine waves in each."""


@cache
def _sway(seed: int) -> tuple[Floats, Floats, Floats]:
    """Frequencies and phases of the sine waves, each (channels, waves) laid flat, and (that, channels) sizes:
    each channel of motion moves by 1 within ``SWAY_S``, the mood has variance 1."""
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


@dataclass(frozen=True)
class Glance:
    """The eyes turn elsewhere, and stay there until the next glance."""

    time: float
    """Seconds at which they begin to turn."""
    right: float
    down: float
    """Where the irises are then: pixels of a 256-px face from their place in the portrait."""


@dataclass(frozen=True)
class ClipScript:
    """Everything that decides a clip, besides the portrait. Raises ValueError for odd sizes and no frames."""

    duration: float
    """Seconds."""
    fps: float = 60.0
    size: tuple[int, int] = (640, 480)
    """Width, height; even, as the video codec wants it."""
    actions: tuple[Action, ...] = ()
    blinks: tuple[Blink, ...] = ()
    glances: tuple[Glance, ...] = ()
    """In the order of their times, further apart than ``GLANCE_S``."""
    lids_follow: float = 0.0
    """How far the upper lids follow the irises down: closure for each pixel of a 256-px face."""
    head_motion: float = 0.0
    """The slow drift's greatest shift along each axis, in pixels; roll and scale drift in proportion."""
    gestures: tuple[HeadGesture, ...] = ()
    sway: HeadSway | None = None
    shape: HeadShape | None = None
    """None: the ellipsoid without a nose that the first clips had."""
    noise: float = 0.0
    """Standard deviation of the camera noise, in grey levels."""
    light: float = 0.0
    """Greatest relative change of the brightness, slow: 0.01 is one percent."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.duration * self.fps < 1:
            raise ValueError(f"a clip needs at least one frame, not {self.duration} s at {self.fps} fps")
        if min(self.size) < 2 or any(side % 2 for side in self.size):
            raise ValueError(f"a clip's width and height are even and positive, not {self.size}")

    @property
    def frame_count(self) -> int:
        """Frames in the clip."""
        return round(self.duration * self.fps)

    @property
    def blink_actions(self) -> tuple[Action, ...]:
        """The blinks as unlabelled actions; strength 1 is as far as the lids come down."""
        return tuple(_blink(blink) for blink in self.blinks)

    @property
    def gesture_actions(self) -> tuple[Action, ...]:
        """The head's gestures as actions that move no skin."""
        return tuple(
            Action(None, (), g.onset, (g.onset + g.offset) / 2, g.offset, kind="gesture")
            for g in self.gestures
        )

    @property
    def glance_actions(self) -> tuple[Action, ...]:
        """The glances as actions that move no skin."""
        return tuple(
            Action(None, (), g.time, g.time + GLANCE_S / 2, g.time + GLANCE_S, kind="gaze")
            for g in self.glances
        )

    def gaze(self, time: float) -> tuple[float, float]:
        """Where the irises are, (right, down) in pixels of a 256-px face from their place in the portrait."""
        right = down = 0.0
        for glance in self.glances:
            if glance.time >= time:
                break
            done = 0.5 - 0.5 * math.cos(math.pi * min((time - glance.time) / GLANCE_S, 1.0))
            right += done * (glance.right - right)
            down += done * (glance.down - down)
        return right, down

    def closure(self, time: float) -> float:
        """How far the lids are down: 0 open, 1 closed."""
        closures = [
            blink.depth * action.strength(time)
            for blink, action in zip(self.blinks, self.blink_actions, strict=True)
        ]
        if self.lids_follow:
            closures.append(min(self.lids_follow * max(self.gaze(time)[1], 0.0), 1.0))
        return max(closures, default=0.0)

    def head_pose(self, time: float) -> HeadPose:
        """The head at this time. Roll moves the sides of the face by up to half of ``head_motion``, scale by
        up to a quarter."""
        dx, dy, roll, scale = (self._drift(channel, time) for channel in range(4))
        swing = self.head_motion / (FACE_WIDTH / 2)
        drift = (
            self.head_motion * dx,
            self.head_motion * dy,
            0.5 * swing * roll,
            1 + 0.25 * swing * scale,
            0.0,
            0.0,
        )
        pose = np.array(drift)
        if self.sway:
            pose += self.sway.pose(time)
        for gesture in self.gestures:
            if strength := gesture.strength(time):
                pose += strength * np.array(astuple(gesture.reach))
        return HeadPose(*pose.tolist())

    def brightness(self, time: float) -> float:
        """Factor on all grey values."""
        return 1 + self.light * self._drift(4, time)

    def _drift(self, channel: int, time: float) -> float:
        """Smooth and slow (below 0.3 Hz), within −1 … 1, different in each channel and for each seed."""
        rng = np.random.default_rng((self.seed, channel))
        slow, fast = rng.uniform(0.06, 0.15), rng.uniform(0.18, 0.3)
        first, second = rng.uniform(0, 2 * math.pi, 2)
        wave = 0.65 * math.sin(2 * math.pi * slow * time + first)
        return wave + 0.35 * math.sin(2 * math.pi * fast * time + second)


def _blink(blink: Blink) -> Action:
    closed = blink.start + blink.closing
    return Action(
        None, (Activation(45, 0.05, 0.05),), blink.start, closed, blink.end, blink.closed, kind="blink"
    )


# The class's action units as coded for micro-expressions (Davison et al. 2018, DOI 10.3390/jimaging4100119):
# one combination is drawn; each unit with its share of the peak.
EXPRESSIONS: dict[str, tuple[dict[int, float], ...]] = {
    "negative": ({4: 1.0}, {4: 1.0, 7: 0.5}, {4: 1.0, 9: 0.5}),
    "positive": ({12: 1.0}, {12: 1.0, 6: 0.5}),
    "surprise": ({1: 1.0, 2: 1.0}, {1: 1.0, 2: 1.0, 5: 0.4}),
}


def demo_script(seed: int = 0) -> ClipScript:
    """Nine seconds at 60 fps: one micro-expression of each class in random order, two blinks between them,
    slight head motion and noise. Peaks are 2.0–2.5 px on a face 256 px wide."""
    rng = np.random.default_rng(seed)
    labels = [str(label) for label in rng.permutation(CLASSES)]
    starts = np.array((1.9, 4.5, 7.1)) + rng.uniform(-0.15, 0.15, 3)
    return ClipScript(
        duration=9.0,
        actions=tuple(_micro(label, float(start), rng) for label, start in zip(labels, starts, strict=True)),
        blinks=tuple(Blink(float(time)) for time in np.array((3.2, 5.8)) + rng.uniform(-0.1, 0.1, 2)),
        head_motion=1.2,
        noise=1.7,
        light=0.01,
        seed=seed,
    )


def _micro(label: str, onset: float, rng: np.random.Generator) -> Action:
    choices = EXPRESSIONS[label]
    shares = choices[int(rng.integers(len(choices)))]
    peak = (
        rng.uniform(1.93, 2.07) / 256
    )  # a unit's bumps overlap: the skin itself moves 1.05 to 1.19 times as far
    apex = onset + rng.uniform(0.12, 0.17)
    return Action(
        label, tuple(_activate(shares, peak, rng)), onset, float(apex), float(apex + rng.uniform(0.13, 0.20))
    )


def _activate(shares: dict[int, float], peak: float, rng: np.random.Generator) -> Iterable[Activation]:
    weaker = rng.uniform(0.85, 1.0, 1)[0]  # faces move a little more on one side
    left, right = rng.permutation((1.0, weaker))
    for unit, share in shares.items():
        yield Activation(unit, float(share * peak * left), float(share * peak * right))
