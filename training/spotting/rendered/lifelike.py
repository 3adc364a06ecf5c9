"""Scripts of the lifelike clips: faces that watch, talk or fidget, with micro-expressions in between.

Unlike in ``timeline``, whose clips stay as a regression, movements overlap: a blink or a glance
comes during a micro-expression, a brow flashes over a smile, one event follows another, and the face does not
always return to where it was. Shares are those of the published codings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from training.rendering.head_motion import HeadGesture, HeadShape, HeadSway
from training.rendering.portrait import Portrait
from training.rendering.script import Action, Blink, ClipScript, Glance
from training.rendering.varied_portrait import varied
from training.spotting.rendered import movements as spot_movements
from training.spotting.rendered.timeline import SECONDS, SIZE, Plan

RATES = {30.0: 0.5, 25.0: 0.1, 60.0: 0.2, 100.0: 0.12, 200.0: 0.08}
"""Frames a second → share of the minutes."""
PEAKS = (0.0,) * 6
"""Every micro-expression has its own peak."""
DRIFTS = (0.0, 1.0, 2.5, 0.5, 5.0)
"""Pixels that the head drifts."""
QUALITIES = (None, None, 16, 20, 24)
"""What is done to the frames: JPEG as webcams send it (None), or H.264 by constant rate factor."""

SHARED = False
"""Every clip has a timeline of its own."""

STILL = 0.3
"""Share of the people whose head is held still, as in the laboratories of the datasets."""
SWAYS = (0.25, 4.0)
"""Range of pixels by which other heads shift within a fifth of a second: 0.5 to 5 in recordings."""

WITH_BLINK, WITH_GAZE, WITH_HEAD, FOLLOWED, OVER_SMILE = 0.15, 0.19, 0.06, 0.1, 0.06
"""Shares of the micro-expressions accompanied by a blink, a glance or a small head motion, followed at once
by a second one, and flashing over a held expression."""

_MOODS = {
    "watching": {"micro": 0.52, "blink": 0.19, "macro": 0.07, "mouth": 0.08, "gesture": 0.09, "talk": 0.05},
    "talking": {"micro": 0.22, "blink": 0.13, "macro": 0.08, "mouth": 0.07, "gesture": 0.1, "talk": 0.4},
    "restless": {"micro": 0.32, "blink": 0.16, "macro": 0.17, "mouth": 0.12, "gesture": 0.23, "talk": 0.0},
}
"""What happens next, and how likely, by the mood of a clip's person."""
_MOOD = (0.55, 0.27, 0.18)


@dataclass
class _Story:
    """What has been decided so far."""

    portrait: Portrait
    rng: np.random.Generator
    actions: list[Action] = field(default_factory=list)
    blinks: list[Blink] = field(default_factory=list)
    glances: list[float] = field(default_factory=list)
    """Times at which the eyes turn because of what happens."""
    gestures: list[HeadGesture] = field(default_factory=list)


def person(clip: Plan, portrait: Portrait) -> Portrait:
    """The clip's face: a different variation of the portrait for every clip."""
    return varied(portrait, np.random.default_rng((clip.seed, clip.timeline, 4)))


def script(clip: Plan, portrait: Portrait) -> ClipScript:
    """Everything that happens in the clip; the same for all rates of one timeline, but for the noise."""
    rng = np.random.default_rng((clip.seed, clip.timeline, 3))
    story = _Story(portrait, rng)
    mood = str(rng.choice(tuple(_MOODS), p=_MOOD))
    kinds, chances = zip(*_MOODS[mood].items(), strict=True)
    pause = float(rng.uniform(0.8, 1.6))
    time = 1.5 + float(rng.uniform(0, 1))
    while time < SECONDS - 2.5:
        end = _HAPPENINGS[str(rng.choice(kinds, p=chances))](story, time)
        time = end + 0.25 + float(rng.exponential(pause))
    return ClipScript(
        duration=SECONDS,
        fps=clip.fps,
        size=SIZE,
        actions=tuple(story.actions),
        blinks=tuple(story.blinks),
        glances=_glances(rng, story.glances, wanders=mood == "restless" or rng.random() < 0.45),
        lids_follow=float(rng.uniform(0, 0.12)),
        lid_drag=float(np.exp(rng.normal(0, 0.4))),
        head_motion=clip.drift,
        gestures=tuple(story.gestures),
        sway=_sway(mood, rng),
        shape=head_shape(rng),
        noise=float(rng.uniform(0.6, 3.0)),
        light=float(rng.choice((0.0, 0.01, 0.05))),
        seed=int(rng.integers(2**31)),
    )


def _sway(mood: str, rng: np.random.Generator) -> HeadSway | None:
    if rng.random() < STILL:
        return None
    way = float(np.exp(rng.uniform(*np.log(SWAYS)))) * (1.3 if mood == "talking" else 1.0)
    return HeadSway(way, float(rng.uniform(0.2, 0.9)), int(rng.integers(2**31)))


def head_shape(rng: np.random.Generator) -> HeadShape:
    """Another one with every call."""
    nose, curve, uneven = rng.uniform((0.08, 1.05, 0.02), (0.18, 1.95, 0.07))
    return HeadShape(float(nose), float(curve), float(uneven))


def _micro(story: _Story, time: float) -> float:
    rng = story.rng
    event = _one_micro(story, time)
    if rng.random() < FOLLOWED:
        event = _one_micro(story, event.offset + float(rng.uniform(0.1, 0.5)))
    elif rng.random() < OVER_SMILE:
        return _flash(story, time)
    return event.offset


def _one_micro(story: _Story, time: float) -> Action:
    rng = story.rng
    event = spot_movements.micro(time, story.portrait, rng)
    story.actions.append(event)
    story.blinks += spot_movements.narrowed(event, rng)
    if rng.random() < WITH_BLINK:
        _blink(story, float(rng.uniform(event.onset - 0.15, event.offset - 0.03)))
    if rng.random() < WITH_GAZE:
        story.glances.append(float(rng.uniform(event.onset - 0.1, event.offset)))
    if rng.random() < WITH_HEAD:
        when = event.onset - float(rng.uniform(0, 0.5))
        story.gestures.append(spot_movements.gesture(when, rng, 0.25))
    return event


def _flash(story: _Story, time: float) -> float:
    """Another expression is held while the micro-expression at ``time`` happens."""
    rng = story.rng
    event = story.actions[-1]
    held = spot_movements.macro(time - 1.5, story.portrait, rng, hold=2.2)
    if held.onset > 0.5 and held.apex + 0.15 < event.onset:
        story.actions.append(held)
        return held.offset
    return event.offset


def _macro(story: _Story, time: float) -> float:
    action = spot_movements.macro(time, story.portrait, story.rng)
    story.actions.append(action)
    return action.offset


def _blink(story: _Story, time: float) -> float:
    blinks, drag = spot_movements.blink(time, story.portrait, story.rng)
    story.blinks += blinks
    story.actions += drag
    return blinks[-1].end


def _mouth(story: _Story, time: float) -> float:
    actions, blinks = spot_movements.mouth(time, story.portrait, story.rng)
    story.actions += actions
    story.blinks += blinks
    return max(action.offset for action in actions)


def _gesture(story: _Story, time: float) -> float:
    story.gestures.append(spot_movements.gesture(time, story.rng))
    return story.gestures[-1].offset


def _talk(story: _Story, time: float) -> float:
    """A sentence or two; brows and head go along, the eyes blink, and now and then something leaks."""
    rng, portrait = story.rng, story.portrait
    end = min(time + float(rng.uniform(0.4, 6)), SECONDS - 1.5)
    story.actions += spot_movements.syllables(time, end, portrait, rng)
    lively = float(rng.uniform(0, 0.7))
    for add, each in ((_emphasis, lively), (_nod, lively), (_blink, 0.4), (_one_micro, 0.04)):
        for when in rng.uniform(time, end, rng.poisson(each * (end - time))):
            add(story, float(when))
    return end + 0.2


def _emphasis(story: _Story, time: float) -> None:
    story.actions.append(spot_movements.emphasis(time, story.portrait, story.rng))


def _nod(story: _Story, time: float) -> None:
    story.gestures.append(spot_movements.gesture(time, story.rng, float(story.rng.uniform(0.2, 1))))


_HAPPENINGS: dict[str, Callable[[_Story, float], float]] = {
    "micro": _micro,
    "blink": _blink,
    "macro": _macro,
    "mouth": _mouth,
    "gesture": _gesture,
    "talk": _talk,
}


def _glances(rng: np.random.Generator, wanted: list[float], wanders: bool) -> tuple[Glance, ...]:
    """Eye movements at the given times, and spontaneous ones where the eyes wander."""
    times = list(wanted)
    time = 0.5
    while wanders and time < SECONDS:
        times.append(time)
        time += 0.25 + float(rng.exponential(1.0))
    glances: list[Glance] = []
    for time in sorted(times):
        if glances and time - glances[-1].time < 0.1:
            continue
        right, down = np.clip(rng.normal(0, (1.6, 0.8)), (-3.5, -1.6), (3.5, 1.8))
        glances.append(Glance(time, float(right), float(down)))
    return tuple(glances)
