"""Motion that is added to measured clips: eyes that narrow or blink as filmed ones do, and babble.

Rendered faces do these things as their renderer does; the skin that lids drag and the ways of a talking mouth
vary more in recordings. What is added is made up at the places where motion is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spotting.apexes.signal_grid import STEP_S
from spotting.face.places import SIDES
from training.datasets.long_video import Movement

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]

DRAG = {
    "inner brows": -0.75,
    "outer brows": -0.75,
    "nose": -0.5,
    "under eyes": 0.8,
    "cheeks": -0.1,
    "lip corners": -0.4,
    "upper lip": -0.5,
    "lower lip": -0.7,
    "chin": -0.6,
}
"""Pixels down that a full blink moves each region by what is measured, the median of recordings of people
(``python -m benchmarks.blinks``): lids drag the root of the nose, where the head's motion is read."""
_FULL = 0.4
"""By how much of the opening a full blink lowers what is measured."""
_DOWN = np.array([DRAG[side[0]] for side in SIDES])
_TALKS = {
    "lower lip": 1.0,
    "chin": 1.0,
    "upper lip": 0.5,
    "lip corners": 0.5,
    "cheeks": 0.25,
    "nose": 0.15,
    "under eyes": 0.1,
    "inner brows": 0.1,
    "outer brows": 0.1,
}
"""How far each region goes along with a talking mouth."""
_LOUD = np.array([_TALKS[side[0]] for side in SIDES])[:, None] * (0.4, 1.0)
_LOUDNESS = (0.5, 8.0)
"""Pixels of the lower lip, least and most."""


@dataclass(frozen=True)
class Added:
    """What is added to ``count`` steps of a clip."""

    places: Floats
    """(count, sides, 2) pixels of a 256-px face."""
    closed: Floats
    """(count,) by which part of their opening the eyes are lowered."""
    movements: tuple[Movement, ...]
    """Times in steps."""


def added(count: int, micros: tuple[Movement, ...], rng: Rng) -> Added:
    """Some blinks, some babble, and eyes that narrow with some of the micro-expressions."""
    places, closed = np.zeros((count, len(SIDES), 2)), np.zeros(count)
    movements: list[Movement] = []
    lids = [*_narrowing(micros, rng), *_blinks(count, rng)]
    for lid, depth, is_blink in lids:
        course = depth * _bump(count, lid.onset, lid.apex, lid.offset)
        size = float(np.exp(rng.normal(0, 0.5))) / _FULL
        places[..., 1] += size * course[:, None] * _DOWN * np.exp(rng.normal(0, 0.4, len(SIDES)))
        closed = np.maximum(closed, course)
        movements += [lid] if is_blink else []
    if rng.random() < 0.3:
        babble, talk = _babble(count, rng)
        places += babble
        movements.append(talk)
    return Added(places, closed, tuple(movements))


def _narrowing(micros: tuple[Movement, ...], rng: Rng) -> Iterator[tuple[Movement, float, bool]]:
    for micro in micros:
        if rng.random() < 0.25:
            yield micro, float(rng.uniform(0.05, 0.2)), False


def _blinks(count: int, rng: Rng) -> Iterator[tuple[Movement, float, bool]]:
    for onset in rng.uniform(0, count, rng.poisson(count * STEP_S / 12)):
        closing, opening = rng.uniform(0.06, 0.16) / STEP_S, rng.uniform(0.1, 0.3) / STEP_S
        depth = float(rng.uniform(0.12, 0.55))
        yield Movement("blink", onset, onset + closing, onset + closing + opening), depth, True


def _bump(count: int, onset: float, apex: float, offset: float) -> Floats:
    """(count,) a raised cosine up and down."""
    at = np.interp(np.arange(count), (onset, apex, offset), (0.0, 1.0, 0.0), left=0.0, right=0.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * at))


def _babble(count: int, rng: Rng) -> tuple[Floats, Movement]:
    """Syllables at 3 to 7 Hz; each pulls the lower face some other way."""
    length = min(float(rng.uniform(0.3, 6.0)) / STEP_S, count / 2)
    start = float(rng.uniform(0, count - length))
    ways = rng.standard_normal((3, len(SIDES), 2)) * _LOUD
    loudness = float(np.exp(rng.uniform(*np.log(_LOUDNESS))))
    moved, time = np.zeros((count, len(SIDES), 2)), start
    while time < start + length:
        rise, fall = rng.uniform(0.06, 0.15) / STEP_S, rng.uniform(0.08, 0.22) / STEP_S
        way = np.tensordot(rng.standard_normal(3), ways, axes=1)
        moved += loudness / 2 * _bump(count, time, time + rise, time + rise + fall)[:, None, None] * way
        time += float(rng.uniform(0.14, 0.33)) / STEP_S
    return moved, Movement("speech", start, start + length / 2, start + length)


def in_other_time(movement: Movement, later: float, factor: float) -> Movement:
    """The movement moved by ``later``, then with its times multiplied by ``factor``."""
    onset, apex, offset = (
        factor * (time + later) for time in (movement.onset, movement.apex, movement.offset)
    )
    return replace(movement, onset=onset, apex=apex, offset=offset)
