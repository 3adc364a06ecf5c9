"""Simulated clips: a made-up person follows a lifelike script, and what only looks like a micro-expression is
added to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo, Movement
from training.rendering.portrait import Portrait
from training.rendering.script import Action, ClipScript
from training.spotting.classifier.mixing import enriched, mixed
from training.spotting.rendered import lifelike, movements
from training.spotting.rendered.timeline import SECONDS, Plan
from training.spotting.simulated.person import Rng, person
from training.spotting.simulated.signal import simulated
from training.synthesis.coded_units import CODED
from training.synthesis.emotions import Recipe

RATES, _RATES = (25.0, 30.0, 60.0, 100.0), (0.2, 0.5, 0.2, 0.1)
"""Frames a second, and the share of the clips."""
_MIXED, _ENRICHED = 0.4, 0.6
"""Shares of the views with another clip's movements laid over them, and with ``apexes.added_motion``."""
_OTHERS = 1_000_000
"""Clips from this number on are laid over others."""
_SHIFTS, _WORDS, _FLASHES = 0.8, 1.5, 1.2
"""Of each, so many a clip on average."""
_STAYS = 0.45
"""Share of the micro-expressions after which much of the movement stays, and for longer."""
_PART: tuple[Recipe, ...] = ((4, (25,)), (2, (25, 26)), (1, (26,)), (1, (17, 25)))
"""Lips that part before a word."""


def view(seed: int, number: int) -> tuple[LongVideo, Sequence[MotionSample]]:
    """The clip of that number as training looks at it: often with more in it than one script has."""
    rng = np.random.default_rng((seed, number, 12))
    video, samples = clip(seed, number)
    if rng.random() < _MIXED:
        video, samples = mixed(video, samples, *clip(seed, number + _OTHERS))
    if rng.random() < _ENRICHED:
        video, samples = enriched(video, samples, number)
    return video, samples


def clip(seed: int, number: int) -> tuple[LongVideo, Sequence[MotionSample]]:
    """The clip of that number: its ground truth and its signal. Same arguments, same clip."""
    rng = np.random.default_rng((seed, number, 11))
    fps = float(rng.choice(RATES, p=_RATES))
    drift = float(rng.choice(lifelike.DRIFTS))
    plan = Plan(f"{seed}-{number:05d}", None, number, fps, 0.0, drift, seed, "lifelike")
    who = person(rng)
    script = lifelike.script(plan, who.sketch)
    if script.sway is not None:
        further = float(np.exp(rng.uniform(0, 0.8)))
        script = replace(script, sway=replace(script.sway, way=further * script.sway.way))
    more = (*_shifts(who.sketch, rng), *_words(who.sketch, rng), *_flashes(who.sketch, rng))
    script = replace(script, actions=(*(_settled(one, rng) for one in script.actions), *more))
    video = LongVideo(plan.name, tuple(_movements(script)), fps)
    return video, simulated(who, script, rng)


@dataclass(frozen=True)
class _Sudden:
    """A movement that is not a micro-expression, but begins like one."""

    kind: str
    pixels: tuple[float, float, float, float]
    """Peak: median, log standard deviation, bounds."""
    least: tuple[float, float, float]
    most: tuple[float, float, float]
    """Seconds that rise, hold and fall take."""
    fades: float = 1.0

    def __call__(self, onset: float, recipes: tuple[Recipe, ...], portrait: Portrait, rng: Rng) -> Action:
        middle, spread, low, high = self.pixels
        peak = float(np.clip(middle * np.exp(rng.normal(0, spread)), low, high))
        rise, hold, fall = rng.uniform(self.least, self.most)
        apex = float(onset + rise)
        activations = movements.drawn(recipes, peak, portrait, rng)
        end = apex + float(hold + fall)
        return Action(None, activations, float(onset), apex, end, float(hold), self.kind, fades=self.fades)


_SHIFT = _Sudden("macro", (2.2, 0.7, 0.5, 10), (0.15, 0.9, 0.4), (0.35, 3.0, 1.5), fades=2.0)
_FLASH = _Sudden("speech", (11.0, 0.4, 6, 25), (0.1, 0.0, 0.1), (0.3, 0.3, 0.45))
_WORD = _Sudden("speech", (3.0, 0.8, 0.4, 20), (0.08, 0.0, 0.08), (0.35, 0.6, 0.4))


def _onsets(rate: float, rng: Rng) -> Iterable[float]:
    """So many a clip on average."""
    return rng.uniform(1, SECONDS - 4, rng.poisson(rate))


def _shifts(portrait: Portrait, rng: Rng) -> Iterator[Action]:
    """Expressions that come as quickly as a micro-expression, and stay."""
    for onset in _onsets(_SHIFTS, rng):
        yield _SHIFT(onset, CODED[str(rng.choice(tuple(CODED)))], portrait, rng)


def _settled(action: Action, rng: Rng) -> Action:
    """Half of it or more is often left of a coded micro-expression at its offset, and does not soon fade."""
    if action.kind != "micro" or rng.random() > _STAYS:
        return action
    rest, stays, fades = rng.uniform((0.2, 0.0, 0.8), (0.8, 3.0, 5.0))
    return replace(action, rest=float(rest), stays=float(stays), fades=float(fades))


def _flashes(portrait: Portrait, rng: Rng) -> Iterator[Action]:
    """Brows that go up or together for an instant, further than a micro-expression, and often with a word."""
    for onset in _onsets(_FLASHES, rng):
        yield _FLASH(onset, movements.EMPHASIS, portrait, rng)
        if rng.random() < 0.6:
            begin = float(onset + rng.uniform(-0.4, 0.3))
            yield from movements.syllables(begin, begin + float(rng.uniform(0.05, 1.5)), portrait, rng)


def _words(portrait: Portrait, rng: Rng) -> Iterator[Action]:
    """One word or less, now and then: lips part, then a syllable or none."""
    for onset in _onsets(_WORDS, rng):
        parted = _WORD(onset, _PART, portrait, rng)
        yield parted
        if rng.random() < 0.7:
            begin = float(rng.uniform(parted.apex, parted.offset))
            yield from movements.syllables(begin, begin + float(rng.uniform(0.05, 0.6)), portrait, rng)


def _movements(script: ClipScript) -> Iterator[Movement]:
    """In no order; narrowed eyes are no blink."""
    for action in (*script.actions, *script.whole_blinks, *script.gesture_actions, *script.glance_actions):
        yield Movement(action.kind, action.onset, action.apex, action.offset, action.label)
