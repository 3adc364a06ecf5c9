"""The movements of the lifelike clips: micro-expressions as they are coded, and what surrounds them.

Durations, rises, one-sidedness and what happens at the same time follow the published codings of CASME II,
SAMM, DFME and CAS(ME)²; the figures for talk, chewing, swallowing and the like are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recognizer.recognition import CLASSES
from training.rendering.clip import STEEPEST, steepness
from training.rendering.head_motion import HeadGesture, HeadPose
from training.rendering.portrait import Portrait
from training.rendering.script import NARROW, Action, Blink
from training.spotting.rendered.timeline import scaled
from training.synthesis.coded_units import CODED, ONE_SIDED
from training.synthesis.emotions import SPEECH, Recipe
from training.synthesis.motion_model import Activation, displacement

Rng = np.random.Generator

_LENGTHS = ((0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0), (0.10, 0.195, 0.29, 0.385, 0.455, 0.495, 0.5))
"""Quantiles of onset to offset in seconds, the mean of the codings."""
_RISE = (0.46, 0.13, 0.18, 0.78)
"""Onset to apex over onset to offset: mean, standard deviation, bounds."""
_RISES = (0.05, 0.33)
"""Bounds of onset to apex, seconds."""
_LONG = 0.04
"""Share that lasts longer than half a second but rises within 260 ms."""
_INCOMPLETE = 0.4
"""Share after which the face does not return to where it was."""
_PEAK = (1.6, 0.7, 0.4, 9.0)
"""Peak in pixels of a 256-px face: median, log standard deviation, bounds."""

EMPHASIS: tuple[Recipe, ...] = ((5, (1, 2)), (2, (2,)), (2, (4,)), (1, (1, 4)), (1, (1, 2, 5)))
"""Brows that go along with talk."""
GESTURES = (
    # (right, down, roll, scale, yaw, pitch) at full swing in pixels and radians, to-and-fros, seconds
    ((0, 5, 0, 0, 0, 0.05), 2.0, 1.2),  # a nod
    ((4, 0, 0, 0, 0.06, 0), 2.0, 1.2),  # a shake
    ((2, 1, 0.055, 0, 0, 0), 1.0, 1.2),  # a tilt
    ((8, 2, 0, 0.03, 0.03, 0), 0.5, 1.5),  # leaning, looking aside
    ((0, 0, 0.05, 0, 0, 0), 2.0, 2.0),  # a sway
    ((2, 14, 0, 0.06, 0, 0.08), 0.5, 3.0),  # leaning forward
    ((10, 0, 0.02, 0, 0.12, 0), 0.5, 2.0),  # turning aside and back
)


def micro(onset: float, portrait: Portrait, rng: Rng) -> Action:
    """A micro-expression like those in the datasets."""
    label = str(rng.choice(CLASSES, p=(0.5, 0.25, 0.25)))
    middle, spread, least, most = _PEAK
    peak = float(np.clip(middle * np.exp(rng.normal(0, spread)), least, most))
    activations = drawn(CODED[label], peak, portrait, rng)
    if rng.random() < _LONG:
        rise, length = float(rng.uniform(0.1, 0.25)), float(rng.uniform(0.5, 0.9))
    else:
        length = float(np.interp(rng.random(), *_LENGTHS))
        mean, deviation, low, high = _RISE
        rise = float(np.clip(np.clip(rng.normal(mean, deviation), low, high) * length, *_RISES))
    # The fall takes a twentieth of a second at least.
    hold = float(rng.uniform(0, 0.25)) * length if rng.random() < 0.4 else 0.0
    hold = min(hold, max(length - rise - 0.06, 0.0))
    rest = float(rng.uniform(0.1, 0.65)) if rng.random() < _INCOMPLETE else 0.0
    return Action(
        label,
        activations,
        onset,
        onset + rise,
        onset + max(length, rise + 0.05),
        hold,
        rest=rest,
        stays=float(rng.choice((0.0, rng.uniform(0, 1.5)))),
        fades=float(rng.uniform(0.8, 3.0)),
    )


def narrowed(event: Action, rng: Rng) -> list[Blink]:
    """The lids that move along: a lid tightener or cheek raiser narrows the eyes, others do so at times."""
    narrows = not {6, 7}.isdisjoint(activation.unit for activation in event.activations)
    if rng.random() > (0.7 if narrows else 0.12):
        return []
    depth = float(rng.uniform(0.05, NARROW if narrows else 0.15))
    open_again = event.offset - event.apex - event.hold
    return [Blink(event.onset, depth, event.apex - event.onset, event.hold, open_again)]


def macro(onset: float, portrait: Portrait, rng: Rng, hold: float | None = None) -> Action:
    """An ordinary expression: slower, larger, held."""
    recipes = CODED[str(rng.choice(CLASSES))]
    activations = drawn(recipes, float(np.clip(6 * np.exp(rng.normal(0, 0.5)), 1.5, 15)), portrait, rng)
    rise, fall = rng.uniform(0.27, 0.9), rng.uniform(0.3, 1.2)
    hold = float(rng.uniform(0.1, 2.5)) if hold is None else hold
    apex = onset + float(rise)
    rest = float(rng.uniform(0.1, 0.4)) if rng.random() < 0.3 else 0.0
    return Action(None, activations, onset, apex, apex + hold + float(fall), hold, "macro", rest, fades=2.0)


def syllables(start: float, end: float, portrait: Portrait, rng: Rng) -> Iterator[Action]:
    """Words: syllables at 3 to 6 Hz that run into each other, at this speaker's loudness, with pauses."""
    loudness = float(np.exp(rng.uniform(np.log(2.5), np.log(20))))
    time = start
    while time < end:
        size = loudness * float(np.exp(rng.normal(0, 0.4)))
        activations = drawn(SPEECH, min(size, 24.0), portrait, rng)
        rise, fall = rng.uniform(0.06, 0.15), rng.uniform(0.08, 0.22)
        hold = float(rng.choice((0.0, rng.uniform(0, 0.15))))
        yield Action(
            None, activations, time, float(time + rise), float(time + rise + hold + fall), hold, "speech"
        )
        time += float(rng.uniform(0.14, 0.3)) + (float(rng.uniform(0.2, 0.8)) if rng.random() < 0.12 else 0)


def emphasis(onset: float, portrait: Portrait, rng: Rng) -> Action:
    """Brows that emphasise a word."""
    activations = drawn(EMPHASIS, float(rng.uniform(0.8, 5)), portrait, rng)
    rise, hold, fall = rng.uniform(0.12, 0.35), rng.uniform(0.1, 0.6), rng.uniform(0.33, 0.6)
    apex = onset + float(rise)
    return Action(None, activations, onset, apex, apex + float(hold + fall), float(hold), "speech")


def mouth(start: float, portrait: Portrait, rng: Rng) -> tuple[list[Action], list[Blink]]:
    """Swallowing, pressed lips, chewing, a yawn: neither expression nor talk."""
    what = str(rng.choice(("swallow", "press", "chew", "yawn"), p=(0.4, 0.35, 0.17, 0.08)))
    if what == "swallow":
        first = _slow(((3, (17,)), (2, (17, 24)), (1, (24,))), (0.8, 3), (0.27, 0.4), (0.05, 0.25), start)
        second = _slow(((1, (26,)), (1, (17,))), (0.4, 1.5), (0.27, 0.4), (0.05, 0.15), start + 0.15)
        return [first(portrait, rng), second(portrait, rng)], []
    if what == "press":
        press = _slow(((3, (24,)), (1, (23,)), (1, (17, 24))), (0.8, 4), (0.25, 0.5), (0.3, 1.5), start)
        return [press(portrait, rng)], []
    if what == "chew":
        period, size = float(rng.uniform(0.62, 0.95)), float(rng.uniform(1.5, 6))
        chews = range(int(rng.integers(3, 8)))
        return [
            Action(
                None,
                drawn(((2, (26,)), (1, (24, 26)), (1, (17, 26))), size, portrait, rng),
                start + number * period,
                start + (number + 0.45) * period,
                start + (number + 0.95) * period,
                kind="mouth",
            )
            for number in chews
        ], []
    yawn = _slow(((1, (25, 26)),), (7, 12), (0.8, 1.4), (0.5, 1.5), start)(portrait, rng)
    eyes = Blink(start + 0.5, float(rng.uniform(0.6, 1)), 0.4, yawn.hold + 0.3, 0.5)
    return [yawn], [eyes]


@dataclass(frozen=True)
class _slow:
    """A movement of the mouth that takes its time: units, then ranges of pixels and of seconds."""

    recipes: tuple[Recipe, ...]
    pixels: tuple[float, float]
    rise: tuple[float, float]
    hold: tuple[float, float]
    start: float

    def __call__(self, portrait: Portrait, rng: Rng) -> Action:
        activations = drawn(self.recipes, float(rng.uniform(*self.pixels)), portrait, rng)
        rise, hold = float(rng.uniform(*self.rise)), float(rng.uniform(*self.hold))
        apex = self.start + rise
        fall = float(rng.uniform(0.25, 0.6))
        return Action(None, activations, self.start, apex, apex + hold + fall, hold, "mouth")


def blink(start: float, portrait: Portrait, rng: Rng) -> tuple[list[Blink], list[Action]]:
    """Lids that close halfway, firmly or twice, and the skin that they drag along."""
    what = str(rng.choice(("plain", "half", "hard", "double"), p=(0.58, 0.17, 0.13, 0.12)))
    depth = float(rng.uniform(0.3, 0.75)) if what == "half" else float(rng.uniform(0.85, 1))
    slower = float(np.exp(rng.normal(0, 0.25))) * (1.5 if what == "hard" else 1)
    times = (0.10 * slower, float(rng.uniform(0.01, 0.08)) * slower, 0.16 * slower)
    blinks = [Blink(start, depth, *times)]
    if what == "double":
        blinks.append(Blink(blinks[0].end + float(rng.uniform(0.02, 0.15)), depth, *times))
    return blinks, [_drag(one, what == "hard", portrait, rng) for one in blinks]


def _drag(lids: Blink, hard: bool, portrait: Portrait, rng: Rng) -> Action:
    """Brows come down and cheeks up a little; strongly where the eyes are squeezed."""
    firmly: tuple[Recipe, ...] = ((2, (4, 6)), (2, (6, 7)), (1, (4, 6, 7, 9)))
    lightly: tuple[Recipe, ...] = ((3, (6,)), (2, (4, 6)), (1, (4,)), (2, (7,)), (1, (1, 2)))
    peak = float(rng.uniform(1, 5)) if hard else lids.depth * float(0.8 * np.exp(rng.normal(0, 0.6)))
    return Action(
        None,
        drawn(firmly if hard else lightly, min(peak, 5.0), portrait, rng),
        lids.start,
        lids.start + lids.closing,
        lids.end + float(rng.uniform(0, 0.1)),
        lids.closed,
        "blink",
    )


def gesture(onset: float, rng: Rng, size: float = 1.0) -> HeadGesture:
    """A nod, a shake, a tilt, leaning; ``size`` 1 is an ordinary one."""
    reach, swings, seconds = GESTURES[int(rng.integers(len(GESTURES)))]
    size = size * float(rng.uniform(0.5, 1.3)) * float(rng.choice((-1, 1)))
    pose = HeadPose(*(size * value for value in reach))
    return HeadGesture(onset, onset + seconds * float(rng.uniform(0.7, 1.3)), pose, swings)


def drawn(recipes: tuple[Recipe, ...], peak: float, portrait: Portrait, rng: Rng) -> tuple[Activation, ...]:
    """One combination of action units with its sides; the skin's greatest displacement is ``peak`` pixels,
    or as much as the skin takes without folding."""
    weights = np.array([weight for weight, _ in recipes], float)
    _, units = recipes[int(rng.choice(len(recipes), p=weights / weights.sum()))]
    sides = np.exp(rng.normal(0, 0.2, 2))
    if rng.random() < max(ONE_SIDED.get(unit, 0.05) for unit in units):
        sides[rng.integers(2)] *= float(rng.uniform(0, 0.3))
    strengths = np.exp(rng.normal(0, 0.35, len(units)))
    wanted = scaled(
        tuple(
            Activation(unit, float(strength * sides[0]), float(strength * sides[1]))
            for unit, strength in zip(units, strengths, strict=True)
        ),
        peak,
        portrait,
    )
    less = min(1.0, 0.95 * STEEPEST / steepness(displacement(portrait.landmarks, wanted, portrait.shape)))
    return tuple(Activation(one.unit, less * one.left, less * one.right) for one in wanted)
