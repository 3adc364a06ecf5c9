"""The compiled part of ``panel.py``: a step of all members. Importing this module imports numba. Nothing is
allocated here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types

from recognizer.machine.kernels import compiled, compiled_for_c
from spotting.apexes.panel import DILATIONS, KEPT, SAID, TAPS
from spotting.apexes.signal_grid import CHANNELS

Plane = npt.NDArray[np.float32]
f32 = np.float32

_CLAMP = f32(6.0)
"""Standard deviations; what lies further out was not seen in training."""
_BLOCKS = len(DILATIONS)


@compiled
def _add_product(rows: Plane, weights: Plane, begin: int, inputs: int, outputs: int, result: Plane) -> int:
    """Adds two rows of ``inputs`` times a matrix to ``result``; returns where the matrix ends."""
    for k in range(inputs):
        one, other = rows[0, k], rows[1, k]  # zeros too: skipping them costs the processor its foresight
        line = weights[begin + k * outputs : begin + (k + 1) * outputs]
        for j in range(outputs):
            result[0, j] += one * line[j]
            result[1, j] += other * line[j]
    return begin + inputs * outputs


@compiled
def _set_bias(weights: Plane, begin: int, outputs: int, result: Plane) -> None:
    for j in range(outputs):
        result[0, j] = result[1, j] = weights[begin + j]


@compiled
def _without_negative(rows: Plane, width: int, result: Plane) -> None:
    for side in range(2):
        for j in range(width):
            result[side, j] = max(rows[side, j], f32(0))


@compiled
def _step(
    row: Plane, weights: Plane, past: Plane, room: Plane, said: Plane, members: int, width: int, now: int
) -> None:
    """See ``Panel.step``. ``past``: (KEPT, members, blocks, 2, width), ``now``: the index of this step in it;
    ``weights``: (members, all of a member's); ``said``: (members, 2, SAID), a logit first."""
    held, seen, added, positive, shown = room[0], room[1], room[2], room[3], room[4]
    for m in range(members):
        own = weights[m]
        at = _first(row, own, shown, width, held)
        for block in range(_BLOCKS):
            _without_negative(held, width, positive)
            bias = at + TAPS * width * width
            _set_bias(own, bias, width, seen)
            for tap in range(TAPS - 1):
                back = (TAPS - 1 - tap) * DILATIONS[block]
                at = _add_product(past[(now - back) % KEPT, m, block], own, at, width, width, seen)
            at = _add_product(positive, own, at, width, width, seen) + width
            for side in range(2):  # only now: what lies KEPT steps back was in its place
                for j in range(width):
                    past[now, m, block, side, j] = positive[side, j]
            _without_negative(seen, width, seen)
            _set_bias(own, at + width * width, width, added)
            at = _add_product(seen, own, at, width, width, added) + width
            for side in range(2):
                for j in range(width):
                    held[side, j] += added[side, j]
        _without_negative(held, width, positive)
        _set_bias(own, at + width * width, width, seen)
        at = _add_product(positive, own, at, width, width, seen) + width
        _without_negative(seen, width, seen)
        _set_bias(own, at + width * SAID, SAID, said[m])
        _add_product(seen, own, at, width, SAID, said[m])


@compiled
def _first(row: Plane, own: Plane, shown: Plane, width: int, held: Plane) -> int:
    """The first layer: standardised rows, each side through its own matrix. Returns where it ends."""
    matrix = 4 * CHANNELS
    end = matrix + 2 * CHANNELS * width
    _set_bias(own, end, width, held)
    for side in range(2):
        for k in range(CHANNELS):
            mean, scale = own[2 * side * CHANNELS + k], own[(2 * side + 1) * CHANNELS + k]
            shown[side, k] = min(max((row[k] - mean) / scale, -_CLAMP), _CLAMP)
        for k in range(CHANNELS):
            line = matrix + (side * CHANNELS + k) * width
            for j in range(width):
                held[side, j] += shown[side, k] * own[line + j]
    return end + width


def step_function() -> Any:
    """``_step``, compiled for C as ``panel.py`` calls it: numba's ``CFunc``."""
    signature = types.void(*5 * (types.CPointer(types.float32),), *4 * (types.int64,))
    return compiled_for_c(signature, _step_in_c)


def _step_in_c(row, weights, past, room, said, members, width, count, now):  # type: ignore[no-untyped-def]
    _step(
        carray(row, (CHANNELS,)),
        carray(weights, (members, count)),
        carray(past, (KEPT, members, _BLOCKS, 2, width)),
        carray(room, (5, 2, max(width, CHANNELS))),
        carray(said, (members, 2, SAID)),
        members,
        width,
        now,
    )
