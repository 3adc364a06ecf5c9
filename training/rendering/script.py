"""What happens in a synthetic clip, and when: the script that `rendering.clip` renders.

Pure time and geometry, no images: expressions and their envelopes, blinks, the drift of head and light.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cache, cached_property

import numpy as np

from recognizer.recognition import CLASSES
from training.rendering.head_motion import FACE_WIDTH, HeadGesture, HeadPose, HeadShape, HeadSway
from training.synthesis.motion_model import Activation

NARROW = 0.25
"""Lids that come down by less than this are narrowed eyes, not a blink."""
GLANCE_S = 0.04
"""Duration of a saccade of a few degrees (Bahill et al. 1975, DOI 10.1016/0025-5564(75)90075-9)."""
BLINK_CLOSING, BLINK_CLOSED, BLINK_OPENING = 0.10, 0.05, 0.15
"""Seconds. Lids fall faster than they rise."""


@dataclass(frozen=True)
class Action:
    """One movement of the face: a micro-expression, or (without a label) a distractor such as speech.

    Raises ValueError for an unknown label or for times out of order.
    """

    label: str | None
    """negative, positive or surprise; None for what a spotter should reject."""
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
    """Fraction of the strength left at the offset: a face does not always return to where it was."""
    stays: float = 0.0
    """Seconds from the offset for which that fraction stays."""
    fades: float = 1.0
    """Seconds that it then takes to fade."""

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in CLASSES:
            raise ValueError(f"an action's label is one of {CLASSES} or None, not {self.label!r}")
        if not (self.onset < self.apex and 0 <= self.hold < self.offset - self.apex):
            raise ValueError(f"an action needs onset < apex, and apex + hold < offset: {self}")
        if not (0 <= self.rest < 1 and self.stays >= 0 and self.fades > 0):
            raise ValueError(f"an action needs 0 <= rest < 1, stays >= 0 and fades > 0: {self}")

    def strength(self, time: float) -> float:
        """0 at rest, 1 at the apex, with raised cosines in between: no jump in velocity at either end."""
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
    """Seconds that each phase takes."""

    @property
    def end(self) -> float:
        """When the eyes are open again."""
        return self.start + self.closing + self.closed + self.opening


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
    lid_drag: float = 0.0
    """How much of the skin that lids drag on average (``eyelids.DRAGGED``) this person's lids drag."""
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

    @cached_property
    def blink_actions(self) -> tuple[Action, ...]:
        """The blinks as unlabelled actions; strength 1 is as far as the lids come down."""
        return tuple(_blink(blink) for blink in self.blinks)

    @property
    def whole_blinks(self) -> tuple[Action, ...]:
        """Those of ``blink_actions`` that are more than narrowed eyes."""
        pairs = zip(self.blinks, self.blink_actions, strict=True)
        return tuple(action for blink, action in pairs if blink.depth > NARROW)

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
        """How far the lids are lowered: 0 open, 1 closed."""
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
        slow, fast, first, second = _waves(self.seed, channel)
        wave = 0.65 * math.sin(2 * math.pi * slow * time + first)
        return wave + 0.35 * math.sin(2 * math.pi * fast * time + second)


@cache
def _waves(seed: int, channel: int) -> tuple[float, float, float, float]:
    """Two frequencies in Hz, then their phases."""
    rng = np.random.default_rng((seed, channel))
    slow, fast = rng.uniform(0.06, 0.15), rng.uniform(0.18, 0.3)
    first, second = rng.uniform(0, 2 * math.pi, 2)
    return float(slow), float(fast), float(first), float(second)


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
    weaker = rng.uniform(0.85, 1.0, 1)[0]  # faces move a little more on one side than on the other
    left, right = rng.permutation((1.0, weaker))
    for unit, share in shares.items():
        yield Activation(unit, float(share * peak * left), float(share * peak * right))
