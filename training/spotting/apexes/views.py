"""What the apex detector learns from: measured clips, disturbed, and laid over each other.

Every view is another: faster or slower, larger or smaller, mirrored, begun later, with another clip's
movements laid over it once both were measured (displacements of skin add up), with motion that no renderer
made (``added_motion``), with noise and slow drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spotting.apexes.detector import AHEAD, TIME_UNIT
from spotting.apexes.signal_grid import EYES, HEAD, LIGHT, PLACE, SPEED, STEP_S
from spotting.face.places import SIDES, mirrored_sides
from training.datasets.long_video import Movement
from training.spotting.apexes.added_motion import added, in_other_time
from training.spotting.apexes.network import OTHERS
from training.spotting.apexes.steps import Steps, all_rows

Rng = np.random.Generator
Floats = npt.NDArray[np.float32]

LENGTH = 1400
"""Steps of a view."""
_MIXED, _TALKING, _LATER, _CUT, _ENRICHED = 0.7, 0.15, 0.4, 0.5, 0.6
"""Shares of the views that lie over another clip; of those, over one with much speech, and over one that
begins later; of the views that begin in the middle of a clip, and that have motion added."""
_PACE = (0.9, 1.12)
_SIZES = 0.3
"""Range of the pace, and log standard deviation of the size."""
_NOISE, _DRIFT = 0.12, 0.25
"""Most pixels of what is added to the displacements: at every step, and as a walk of half a second a step."""
_LIDS = (0.7, 1.4)
"""How deep lids read, over how deep they do."""
_HIDDEN, _HIDDEN_PLACES = 0.1, 0.15
"""Shares of the views without head, lids or light, and without one to three of the places."""
_BUMP = 2.0
"""Steps: standard deviation of the likelihood around an apex."""
_NEAR = 5
"""Steps around an apex at which times are learnt."""
_UNKNOWN = 25
"""Steps at the beginning that are not learnt: too little is known of the face."""


@dataclass(frozen=True)
class Clip:
    """A measured clip; the times of its movements in steps from its beginning."""

    steps: Steps
    movements: tuple[Movement, ...]


@dataclass(frozen=True)
class View:
    """``LENGTH`` rows and what the network should say of each."""

    rows: npt.NDArray[np.float16]
    """(LENGTH, CHANNELS)."""
    likely: Floats
    """(LENGTH,) 1 at the apex of a micro-expression, falling off around it."""
    times: Floats
    """(LENGTH, 3) its onset, apex and offset from here, in units of ``TIME_UNIT``."""
    near: Floats
    """(LENGTH,) 1 where ``times`` count."""
    others: Floats
    """(LENGTH, len(OTHERS)) 1 while it goes on."""
    known: Floats
    """(LENGTH,) 1 where this row counts."""


def in_steps(steps: Steps, movements: Sequence[Movement]) -> Clip:
    """``movements``: in seconds of the recording."""
    return Clip(steps, tuple(in_other_time(m, -steps.start, 1 / STEP_S) for m in movements))


def view(clips: Sequence[Clip], rng: Rng) -> View:
    """Another one with every call."""
    clip = _sized(_paced(_mirrored(clips[int(rng.integers(len(clips)))], rng), rng), rng)
    if rng.random() < _MIXED:
        talking = [k for k, one in enumerate(clips) if sum(m.kind == "speech" for m in one.movements) > 20]
        chosen = talking if talking and rng.random() < _TALKING else range(len(clips))
        other = _paced(_mirrored(clips[chosen[int(rng.integers(len(chosen)))]], rng), rng)
        other = _sized(_begun_later(other, rng), rng)
        clip = _laid_over(clip, other)
    if rng.random() < _CUT:
        clip = _cut(clip, int(rng.integers(len(clip.steps) // 3 + 1)))
    if rng.random() < _ENRICHED:
        clip = _enriched(clip, rng)
    return _shown(_disturbed(clip, rng), rng)


def _mirrored(clip: Clip, rng: Rng) -> Clip:
    if rng.random() < 0.5:
        return clip
    order, signs = mirrored_sides()
    steps = clip.steps
    places = (steps.places.reshape(len(steps), -1)[:, order] * signs).reshape(steps.places.shape)
    return replace(clip, steps=replace(steps, places=places, head=steps.head * (-1.0, 1.0, -1.0, 1.0)))


def _sized(clip: Clip, rng: Rng) -> Clip:
    factor = float(np.exp(rng.normal(0, _SIZES)))
    return replace(clip, steps=replace(clip.steps, places=factor * clip.steps.places))


def _paced(clip: Clip, rng: Rng) -> Clip:
    factor = float(rng.uniform(*_PACE))
    count = int(factor * len(clip.steps))
    return Clip(
        _resampled(clip.steps, np.arange(count) / factor),
        tuple(in_other_time(m, 0, factor) for m in clip.movements),
    )


def _cut(clip: Clip, first: int) -> Clip:
    """From the step ``first`` on; where that is negative, it stands still so long before."""
    rows = np.arange(first, len(clip.steps))
    return Clip(_resampled(clip.steps, rows), tuple(in_other_time(m, -first, 1) for m in clip.movements))


def _begun_later(clip: Clip, rng: Rng) -> Clip:
    """Nothing happens at first, or it is cut."""
    if rng.random() < _LATER:
        first = -int(rng.integers(100, 900))
    else:
        first = int(rng.integers(len(clip.steps) // 2)) if rng.random() < 0.5 else 0
    return _cut(clip, first)


def _resampled(steps: Steps, at: npt.NDArray[Any]) -> Steps:
    """At these rows, interpolated; before the first and after the last, it stands still."""
    place = np.clip(at, 0, len(steps) - 1)
    low = np.minimum(place.astype(int), max(len(steps) - 2, 0))
    share = place - low

    def between(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        part = share.reshape(-1, *(1,) * (values.ndim - 1))
        return np.asarray(values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part)

    return replace(
        steps,
        places=between(steps.places),
        head=between(steps.head),
        eyes=between(steps.eyes),
        light=between(steps.light),
    )


def _laid_over(clip: Clip, other: Clip) -> Clip:
    """The clip with the other's movements added to its own, at its own length."""
    a, b = clip.steps, _resampled(other.steps, np.arange(len(clip.steps)))
    grown = a.head[:, 3:] / b.head[0, 3]
    apart = b.head - b.head[0]
    head = a.head + np.concatenate(
        [grown * apart[:, :2], apart[:, 2:3], a.head[:, 3:] * (b.head[:, 3:] / b.head[0, 3] - 1)], axis=1
    )
    steps = replace(
        a,
        places=a.places + b.places - b.places[0],
        head=head,
        eyes=a.eyes * np.minimum(b.eyes / float(np.median(other.steps.eyes)), 1.0),
        light=a.light * b.light / b.light[0],
        interval=max(a.interval, b.interval),
    )
    return Clip(steps, clip.movements + other.movements)


def _enriched(clip: Clip, rng: Rng) -> Clip:
    """With motion that no renderer made."""
    micros = tuple(movement for movement in clip.movements if movement.kind == "micro")
    more = added(len(clip.steps), micros, rng)
    steps = replace(
        clip.steps,
        places=clip.steps.places + more.places,
        eyes=clip.steps.eyes * np.maximum(1 - more.closed, 0.2),
    )
    return Clip(steps, clip.movements + more.movements)


def _disturbed(clip: Clip, rng: Rng) -> Clip:
    steps = clip.steps
    places = steps.places
    if rng.random() < 0.5:
        places = places + rng.uniform(0, _NOISE) * rng.standard_normal(places.shape)
    if rng.random() < 0.4:
        knots = len(places) // 25 + 3
        walk = rng.standard_normal((knots, 2 * len(SIDES))).cumsum(axis=0)
        at = np.linspace(0, knots - 1, len(places))
        drift = np.stack([np.interp(at, np.arange(knots), column) for column in walk.T], axis=1)
        places = places + rng.uniform(0, _DRIFT) * drift.reshape(places.shape)
    usual = float(np.median(steps.eyes))
    deeper = usual + (steps.eyes - usual) * rng.uniform(*_LIDS)
    eyes = np.where(steps.eyes < usual, np.maximum(deeper, 0.1 * usual), steps.eyes)
    return replace(clip, steps=replace(steps, places=places, eyes=eyes))


def _shown(clip: Clip, rng: Rng) -> View:
    rows = all_rows(clip.steps)
    for cue in (HEAD, EYES, LIGHT):
        if rng.random() < _HIDDEN:
            rows[:, cue] = 0.0
    if rng.random() < _HIDDEN_PLACES:
        for place in rng.integers(0, len(SIDES), rng.integers(1, 4)):
            for part in (SPEED, PLACE):
                rows[:, part.start + 2 * place : part.start + 2 * place + 2] = 0.0
    likely, times, near, others = _targets(clip.movements, len(rows))
    known = np.ones(len(rows), np.float32)
    known[:_UNKNOWN] = 0.0
    return View(
        _fitted(rows).astype(np.float16), *(_fitted(one) for one in (likely, times, near, others, known))
    )


def _targets(movements: Sequence[Movement], count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """What to say at every row: of what was ``AHEAD`` steps before."""
    at = np.arange(count, dtype=np.float32) - AHEAD
    likely, near = np.zeros(count, np.float32), np.zeros(count, np.float32)
    times, others = np.zeros((count, 3), np.float32), np.zeros((count, len(OTHERS)), np.float32)
    unit = TIME_UNIT / STEP_S
    for movement in movements:
        if movement.kind == "micro":
            bump = np.exp(-0.5 * ((at - movement.apex) / _BUMP) ** 2)
            rows = (np.abs(at - movement.apex) <= _NEAR) & (bump > likely)
            ends = np.array((movement.onset, movement.apex, movement.offset), np.float32)
            times[rows], near[rows] = (ends - at[rows, None]) / unit, 1.0
            likely = np.maximum(likely, bump)
        elif movement.kind in OTHERS:
            rows = (at >= movement.onset) & (at <= movement.offset)
            others[rows, OTHERS.index(movement.kind)] = 1.0
    return likely, times, near, others


def _fitted(values: Floats) -> Floats:
    """To ``LENGTH`` rows; what is missing is zero."""
    missing = max(LENGTH - len(values), 0)
    return np.pad(values[:LENGTH], [(0, missing), *[(0, 0)] * (values.ndim - 1)])
