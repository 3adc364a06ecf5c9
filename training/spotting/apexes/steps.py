"""A measured recording in steps of 20 ms, and the rows that the apex detector would have made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotting.apexes.signal_grid import (
    BUSY,
    FLOOR,
    FLOOR_LAG,
    FLOOR_RANK,
    LAG,
    MEAN,
    STEP_S,
    USUAL,
    Moments,
    rows,
)
from spotting.face.places import SIDES, by_region
from spotting.memory import Memory
from spotting.motion import MotionSample

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """One face's signal every ``STEP_S``."""

    start: float
    """Seconds of the first step."""
    places: Floats
    """(n, sides, 2) displacements, smoothed as the spotter's memory does; pixels of a 256-px face."""
    head: Floats
    """(n, 4) middle of the eyes (right and down, image pixels), roll (radians), width of the face."""
    eyes: Floats
    """(n,) how far open the eyes are."""
    light: Floats
    """(n,) mean grey level of the face."""
    interval: float
    """Median seconds between frames."""

    def __len__(self) -> int:
        return len(self.places)


def steps(samples: Sequence[MotionSample]) -> Steps | None:
    """The samples with a face, as if it had never been lost; None where there are too few."""
    seen = [sample for sample in samples if sample.face]
    if len(seen) < 2:
        return None
    memory = Memory()
    middle, places = [], []
    for sample in seen:
        memory.add(sample)
        middle.append(float(memory.middle[-1]))
        places.append(memory.places[-1].ravel().copy())
    time = [sample.time for sample in seen]
    grid = np.arange(middle[0], middle[-1], STEP_S)

    def at(known: Sequence[float], values: npt.ArrayLike) -> Floats:
        columns = np.atleast_2d(np.transpose(values))
        return np.stack([np.interp(grid, known, column) for column in columns], axis=-1)

    return Steps(
        start=float(grid[0]),
        places=at(middle, places).reshape(-1, len(SIDES), 2),
        head=at(time, [(s.eyes_x, s.eyes_y, s.roll, s.face_px) for s in seen]),
        eyes=at(time, [s.eye_opening for s in seen])[:, 0],
        light=at(time, [s.brightness for s in seen])[:, 0],
        interval=float(np.median(np.diff(time))),
    )


def all_rows(of: Steps) -> npt.NDArray[np.float32]:
    """(n, CHANNELS): what ``SignalGrid`` makes of it step by step."""
    speed = of.places - _before(of.places, LAG)
    motion = by_region(of.places - _before(of.places, FLOOR_LAG)).max(axis=1)
    return rows(
        Moments(
            speed=speed,
            place=of.places - _mean(of.places, MEAN),
            head=of.head,
            head_before=_before(of.head, LAG),
            head_mean=_mean(of.head, MEAN),
            eyes=np.stack([of.eyes, _before(of.eyes, LAG), _ranked(of.eyes, USUAL, None)], axis=1),
            light=np.stack([of.light, _mean(of.light, BUSY)], axis=1),
            floor=_ranked(motion, FLOOR, FLOOR_RANK),
            busy=_mean(by_region(speed), BUSY),
            interval=np.full(len(of), of.interval),
        )
    )


def _before(values: Floats, count: int) -> Floats:
    """The values ``count`` steps before; at the beginning, the first."""
    return np.asarray(values[np.maximum(np.arange(len(values)) - count, 0)])


def _mean(values: Floats, count: int) -> Floats:
    """Over the newest ``count`` steps, or as many as there are."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - count, 0)
    return np.asarray((sums[end] - sums[begin]) / (end - begin).reshape(-1, *(1,) * (values.ndim - 1)))


def _ranked(values: Floats, count: int, rank: float | None) -> Floats:
    """The quantile ``rank`` (None: the upper median) of the newest ``count`` steps."""
    found = np.empty(len(values))
    for end in range(1, min(count, len(values) + 1)):
        found[end - 1] = np.partition(values[:end], k := _row(end, rank))[k]
    if len(values) >= count:
        windows = np.lib.stride_tricks.sliding_window_view(values, count)
        found[count - 1 :] = np.partition(windows, k := _row(count, rank), axis=1)[:, k]
    return found


def _row(count: int, rank: float | None) -> int:
    return count // 2 if rank is None else int(rank * (count - 1))
