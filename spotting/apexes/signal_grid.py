"""The motion signal in steps of 20 ms, whatever the frame rate: what the apex detector's network reads.

A row describes one step by the past alone: how each place of the face moved within 40 ms and relative to
its mean over 0.8 s; the head, the lids and the light in the same way; the noise floor and how busy each
region has been. ``SignalGrid`` makes the rows as the frames come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotting.face.places import REGIONS, SIDES, by_region, median_of_sides
from spotting.memory import Array, Memory, middle

Floats = npt.NDArray[np.float32]

STEP_S = 0.02
"""Seconds between rows."""
LAG, FLOOR_LAG = 2, 6
"""Steps over which speed and the noise floor's motion are measured."""
MEAN, BUSY, FLOOR, USUAL = 40, 100, 200, 300
"""Steps over which displacements, busyness, the noise floor and the usual opening of the eyes are taken."""
_KEPT = USUAL + 1
FLOOR_RANK = 0.4

PLACES = 2 * len(SIDES)
SPEED, PLACE = slice(0, PLACES), slice(PLACES, 2 * PLACES)
MEDIANS = slice(2 * PLACES, 2 * PLACES + 4)
HEAD = slice(MEDIANS.stop, MEDIANS.stop + 8)
EYES, LIGHT = slice(HEAD.stop, HEAD.stop + 2), slice(HEAD.stop + 2, HEAD.stop + 3)
FACTS = slice(LIGHT.stop, LIGHT.stop + 2 + len(REGIONS))
CHANNELS = FACTS.stop
"""Numbers in a row, and which of them are of what."""


@dataclass(frozen=True)
class Moments:
    """What rows are made of: now, ``LAG`` steps before, and over the time before; any leading axes."""

    speed: Array
    """(…, sides, 2) displacement within ``LAG`` steps, pixels of a 256-px face."""
    place: Array
    """(…, sides, 2) displacement from the mean."""
    head: Array
    """(…, 4) middle of the eyes (right and down, image pixels), roll (radians), width of the face."""
    head_before: Array
    head_mean: Array
    eyes: Array
    """(…, 3) how far open they are now, before, and usually."""
    light: Array
    """(…, 2) grey level now and in the mean."""
    floor: Array
    """(…) noise floor, pixels."""
    busy: Array
    """(…, regions) mean length of the displacement within ``LAG`` steps."""
    interval: Array
    """(…) seconds between frames."""


class SignalGrid:
    """``update`` after every sample that the memory has taken; ``row``s come as soon as they are known."""

    def __init__(self) -> None:
        self._places = np.zeros((_KEPT, len(SIDES), 2))
        self._head = np.zeros((_KEPT, 4))
        self._single = np.zeros((_KEPT, 3))  # eyes, light, motion within the floor's lag
        self._busy = np.zeros((_KEPT, len(REGIONS)))
        self._count = 0
        self._next: float | None = None

    def update(self, memory: Memory) -> Iterator[tuple[float, Floats]]:
        """(seconds, (CHANNELS,) row) of every step up to the newest sample of ``memory``, in order."""
        if self._next is None:
            self._next = float(memory.middle[-1])
        while self._next <= memory.middle[-1]:
            time, self._next = self._next, self._next + STEP_S
            self._add(_at(time, memory.middle, memory.places), time, memory)
            yield time, self._row(memory.interval)

    def _add(self, places: Array, time: float, memory: Memory) -> None:
        for column in (self._places, self._head, self._single, self._busy):
            column[:-1] = column[1:]
        self._places[-1] = places
        self._head[-1] = _at(time, memory.time, memory.head)
        self._count += 1
        moved = by_region(np.stack([places - self._earlier(FLOOR_LAG), places - self._earlier(LAG)]))
        eyes, light = (float(_at(time, memory.time, column)) for column in (memory.eyes, memory.light))
        self._single[-1] = eyes, light, moved[0].max()
        self._busy[-1] = moved[1]

    def _earlier(self, steps: int) -> Array:
        back = min(steps, self._count - 1)
        return np.asarray(self._places[-1 - back])

    def _row(self, interval: float) -> Floats:
        known = self._count
        back = min(LAG, known - 1)
        mean, busy, floor, usual = (min(steps, known) for steps in (MEAN, BUSY, FLOOR, USUAL))
        motion = np.partition(self._single[-floor:, 2], rank := int(FLOOR_RANK * (floor - 1)))
        single = self._single
        return rows(
            Moments(
                speed=self._places[-1] - self._places[-1 - back],
                place=self._places[-1] - self._places[-mean:].mean(axis=0),
                head=self._head[-1],
                head_before=self._head[-1 - back],
                head_mean=self._head[-mean:].mean(axis=0),
                eyes=np.array((single[-1, 0], single[-1 - back, 0], middle(single[-usual:, 0]))),
                light=np.array((single[-1, 1], single[-busy:, 1].mean())),
                floor=motion[rank],
                busy=self._busy[-busy:].mean(axis=0),
                interval=np.array(interval),
            )
        )


def rows(at: Moments) -> Floats:
    """(…, CHANNELS) float32, all numbers about 1 in size."""
    leading = at.place.shape[:-2]
    now, before = at.eyes[..., 0], at.eyes[..., 1]
    usual = np.maximum(at.eyes[..., 2], 1e-6)
    light, mean = at.light[..., 0], at.light[..., 1]
    parts = (
        np.arcsinh(at.speed / 0.15).reshape(*leading, PLACES),
        np.arcsinh(at.place / 0.3).reshape(*leading, PLACES),
        np.arcsinh(median_of_sides(at.place) / 0.3),
        np.arcsinh(median_of_sides(at.speed) / 0.15),
        np.arcsinh(_way(at.head, at.head_before) / 0.5),
        np.arcsinh(_way(at.head, at.head_mean)),
        np.stack([5 * (now / usual - 1), 10 * (now - before) / usual], axis=-1),
        np.stack([10 * (light / np.maximum(mean, 1.0) - 1), np.log(at.floor + 0.05) + 1.5], axis=-1),
        np.log(at.busy + 0.02) + 2.5,
        (30 * at.interval - 0.6)[..., None],
    )
    return np.asarray(np.concatenate(parts, axis=-1), np.float32)


def _way(head: Array, origin: Array) -> Array:
    """(…, 4) right, down, roll and size, in pixels of a 256-px face."""
    apart, width = head - origin, np.maximum(head[..., 3:], 1.0)
    grown = np.log(width / np.maximum(origin[..., 3:], 1.0))
    return np.concatenate([256 * apart[..., :2] / width, 128 * apart[..., 2:3], 128 * grown], axis=-1)


def _at(time: float, known: Array, rows: Array) -> Array:
    """The row at a time, interpolated; before the first and after the last time, that row."""
    after = int(np.searchsorted(known, time))
    if after == 0 or after == len(known):
        return np.asarray(rows[min(after, len(known) - 1)])
    share = (time - known[after - 1]) / (known[after] - known[after - 1])
    return np.asarray(rows[after - 1] + share * (rows[after] - rows[after - 1]))
