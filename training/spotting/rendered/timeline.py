"""Scripts of the spotting benchmark's clips, random but repeatable.

Micro-expressions (action units as coded in the datasets) among everything that looks like one: blinks,
speech, macro-expressions, head gestures, on a head that drifts, under changing light, through a noisy camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognizer.recognition import CLASSES
from training.rendering.head_motion import HeadGesture, HeadPose
from training.rendering.portrait import Portrait
from training.rendering.script import Action, Blink, ClipScript, Glance
from training.synthesis.emotions import RECIPES, SPEECH, Recipe
from training.synthesis.motion_model import Activation, peak_of

SIZE = (320, 400)
"""Width and height of a clip: the face, 200 px wide, fills it."""
SECONDS = 30.0
"""Of one clip."""
RATES = {30.0: 0.75, 25.0: 0.09, 60.0: 0.05, 100.0: 0.05, 200.0: 0.06}
"""Frames a second → share of the minutes."""
PEAKS = (1.5, 0.8, 2.0, 0.5, 3.0, 1.0)
"""Pixels of a 256-px face; all micro-expressions of a clip have the same peak, so that precision can be given
for each peak."""
DRIFTS = (0.0, 1.0, 2.5, 5.0)
"""Pixels that the head drifts; above 0 it makes gestures too."""
QUALITIES = (16, 20, 24)
"""H.264 constant rate factors: hardly compressed, good, a video call."""
SHARED = True
"""Clips of different rates show the same events."""
SHORTEST, LONGEST = 0.06, 0.5
"""Seconds from onset to offset of a micro-expression."""

EVENTS = {"micro": 0.46, "blink": 0.22, "macro": 0.08, "speech": 0.09, "gesture": 0.15}
"""What happens next, with its chance."""
GESTURES = (
    # (right, down, roll, scale, yaw, pitch) at full swing in pixels and radians, to-and-fros, seconds
    ((0, 5, 0, 0, 0, 0.05), 2.0, 1.2),  # a nod
    ((4, 0, 0, 0, 0.06, 0), 2.0, 1.2),  # a shake
    ((2, 1, 0.055, 0, 0, 0), 1.0, 1.2),  # a tilt
    ((8, 2, 0, 0.03, 0.03, 0), 0.5, 1.5),  # leaning, a look aside
    ((0, 0, 0.05, 0, 0, 0), 2.0, 2.0),  # a sway at 1 Hz
)


@dataclass(frozen=True)
class Plan:
    """One clip of the benchmark."""

    name: str
    face: Path | None
    """An image or a video; None is the built-in portrait."""
    timeline: int
    """Clips of different rates with the same number show the same events."""
    fps: float
    peak: float
    """Of every micro-expression in it; 0 where each has its own."""
    drift: float
    seed: int
    story: str = "first"
    """Writer of its script: one of ``training.spotting.rendered.benchmark.STORIES``."""


def plan(
    minutes: float,
    seed: int,
    faces: Sequence[Path | None],
    rates: Mapping[float, float] | None = None,
    story: str = "first",
    peaks: Sequence[float] = PEAKS,
    drifts: Sequence[float] = DRIFTS,
    shared: bool = True,
) -> list[Plan]:
    """The clips, in an order in which every beginning is about as mixed as the whole.

    ``shared``: the rates have timelines in common, so that they can be compared event by event.
    """
    clips = max(1, round(minutes * 60 / SECONDS))
    rates = rates or RATES
    owed = dict.fromkeys(rates, 0.0)
    made = dict.fromkeys(rates, 0)
    plans: list[Plan] = []
    for _ in range(clips):
        for rate, share in rates.items():
            owed[rate] += share
        fps = max(owed, key=lambda rate: owed[rate])
        owed[fps] -= 1
        name = f"{fps:03.0f}fps-{made[fps]:03d}"
        number = made[fps] if shared else len(plans)
        made[fps] += 1
        lap = number // len(peaks)
        plans.append(
            Plan(
                name=name,
                face=faces[(number + lap) % len(faces)],
                timeline=number,
                fps=fps,
                peak=peaks[number % len(peaks)],
                drift=drifts[(number + lap) % len(drifts)],
                seed=seed,
                story=story,
            )
        )
    return plans


def person(clip: Plan, portrait: Portrait) -> Portrait:
    """The clip's face: the portrait itself."""
    return portrait


def script(clip: Plan, portrait: Portrait) -> ClipScript:
    """Everything that happens in the clip; the same for all rates of one timeline, but for the noise."""
    rng = np.random.default_rng((clip.seed, clip.timeline))
    actions: list[Action] = []
    blinks: list[Blink] = []
    gestures: list[HeadGesture] = []
    kinds, chances = zip(*EVENTS.items(), strict=True)
    time = 1.5 + float(rng.uniform(0, 1))
    while time < SECONDS - 2.5:
        kind = str(rng.choice(kinds, p=chances))
        end = time + 1.0
        if kind == "micro":
            actions.append(_micro(time, clip.peak, portrait, rng))
            end = actions[-1].offset
        elif kind == "macro":
            actions.append(_macro(time, portrait, rng))
            end = actions[-1].offset
        elif kind == "speech":
            actions += _speech(time, portrait, rng)
            end = max(action.offset for action in actions)
        elif kind == "blink":
            blinks.append(Blink(time))
            end = time + 0.3
        elif clip.drift:
            gestures.append(_gesture(time, rng))
            end = gestures[-1].offset
        time = end + float(rng.uniform(0.4, 1.8))
    return ClipScript(
        duration=SECONDS,
        fps=clip.fps,
        size=SIZE,
        actions=tuple(actions),
        blinks=tuple(blinks),
        glances=_glances(clip),
        head_motion=clip.drift,
        gestures=tuple(gestures),
        noise=float(rng.uniform(0.8, 3.0)),
        light=float(rng.choice((0.0, 0.01, 0.05))),
        seed=int(rng.integers(2**31)),
    )


def _micro(onset: float, peak: float, portrait: Portrait, rng: np.random.Generator) -> Action:
    label = str(rng.choice(CLASSES))
    activations = drawn(RECIPES[label], peak, portrait, rng)
    duration = float(rng.uniform(SHORTEST, LONGEST))
    rise = duration * float(rng.uniform(0.35, 0.6))
    # One that lasts may rest at its peak for a moment.
    hold = float(rng.uniform(0, 0.25)) * duration if duration > 0.25 else 0.0
    return Action(label, activations, onset, onset + rise, onset + duration, hold)


def _macro(onset: float, portrait: Portrait, rng: np.random.Generator) -> Action:
    """An ordinary expression: slower, larger, held."""
    recipes = RECIPES[str(rng.choice(CLASSES))]
    activations = drawn(recipes, float(rng.uniform(2, 7)), portrait, rng)
    rise, hold, fall = rng.uniform(0.25, 0.6), rng.uniform(0.3, 1.8), rng.uniform(0.3, 0.8)
    apex = onset + rise
    return Action(None, activations, onset, float(apex), float(apex + hold + fall), float(hold), "macro")


def _speech(start: float, portrait: Portrait, rng: np.random.Generator) -> Iterator[Action]:
    """A few words: syllables at 4 to 6 Hz that run into each other."""
    end, time = start + rng.uniform(0.7, 2.5), start
    while time < end:
        activations = drawn(SPEECH, float(rng.uniform(1.5, 6)), portrait, rng)
        rise, fall = rng.uniform(0.07, 0.13), rng.uniform(0.09, 0.18)
        yield Action(None, activations, time, float(time + rise), float(time + rise + fall), kind="speech")
        time += float(rng.uniform(0.16, 0.27))


def _gesture(onset: float, rng: np.random.Generator) -> HeadGesture:
    reach, swings, seconds = GESTURES[int(rng.integers(len(GESTURES)))]
    size = float(rng.uniform(0.5, 1.2)) * float(rng.choice((-1, 1)))
    pose = HeadPose(*(size * value for value in reach))
    return HeadGesture(onset, onset + seconds * float(rng.uniform(0.8, 1.3)), pose, swings)


def _glances(clip: Plan) -> tuple[Glance, ...]:
    """Eyes that wander, some degrees at a time; in half of the timelines they rest on one point."""
    rng = np.random.default_rng((clip.seed, clip.timeline, 2))
    if rng.random() < 0.5:
        return ()
    glances, time = [], 0.5
    while time < SECONDS:
        right, down = rng.normal(0, 1.6), rng.normal(0, 0.7)
        glances.append(Glance(time, float(np.clip(right, -3.5, 3.5)), float(np.clip(down, -1.6, 1.6))))
        time += 0.25 + float(rng.exponential(0.8))
    return tuple(glances)


def drawn(
    recipes: tuple[Recipe, ...], peak: float, portrait: Portrait, rng: np.random.Generator
) -> tuple[Activation, ...]:
    """One combination of action units, slightly different in each face; the skin moves by at most
    ``peak``."""
    weights = np.array([weight for weight, _ in recipes], float)
    _, units = recipes[int(rng.choice(len(recipes), p=weights / weights.sum()))]
    sides = np.exp(rng.normal(0, 0.2, 2))
    if rng.random() < 0.15:  # one side alone, or nearly
        sides[rng.integers(2)] *= 0.15
    strengths = np.exp(rng.normal(0, 0.3, len(units)))
    return scaled(
        tuple(
            Activation(unit, float(strength * sides[0]), float(strength * sides[1]))
            for unit, strength in zip(units, strengths, strict=True)
        ),
        peak,
        portrait,
    )


def scaled(activations: tuple[Activation, ...], peak: float, portrait: Portrait) -> tuple[Activation, ...]:
    """The same movement with its greatest displacement at ``peak`` pixels of a 256-px face."""
    small = tuple(Activation(a.unit, a.left / 256, a.right / 256) for a in activations)
    share = peak / peak_of(portrait.landmarks, small, portrait.shape)
    return tuple(Activation(a.unit, a.left * share, a.right * share) for a in small)
