"""The compiled part of ``place_flow.py``: all windows of one image, and what their motion is.

Importing this module imports numba, which takes longer than many frames do. Where machine code was kept,
``place_flow.py`` takes that instead. Nothing is allocated here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types

from recognizer.machine.kernels import compiled, compiled_for_c
from spotting.place_flow import ASIDE, FURTHEST, FURTHEST_TURN, REACH, ROOM, STEPS, UNKNOWNS

Plane = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
f32 = np.float32

SIDE = 2 * REACH + 1
_FAR = 30_000.0
"""Pixels; further out there is nothing but the edge of the image."""


@compiled
def _between(place: float) -> tuple[int, float]:
    """The pixel before the first of a window around ``place``, and how far the first is beyond it, 0 to 1.

    Not rounded to a 32nd of a pixel, as OpenCV does: that is more than a micro-expression moves in a frame.
    """
    first = min(max(place, -_FAR), _FAR) - REACH
    before = int(np.floor(first))
    return before, first - before


@compiled
def _pulled(
    smooth: Plane, grey: Plane, slopes: Plane, x: float, y: float, window: Plane
) -> tuple[float, float]:
    """``slopes`` (2, pixels) times the difference between the window around (x, y) and ``grey`` (pixels,).
    ``window`` (pixels,) is room."""
    height, width = smooth.shape
    (left, across), (top, down) = _between(x), _between(y)
    u, v = f32(across), f32(down)
    a, b = f32(0), f32(0)
    if left >= 0 and top >= 0 and left + SIDE < width and top + SIDE < height:
        w0, w1, w2, w3 = (f32(1) - u) * (f32(1) - v), u * (f32(1) - v), (f32(1) - u) * v, u * v
        for r in range(SIDE):
            upper, lower, line = smooth[top + r], smooth[top + r + 1], r * SIDE
            for c in range(SIDE):
                at = left + c
                there = w0 * upper[at] + w1 * upper[at + 1] + w2 * lower[at] + w3 * lower[at + 1]
                change = there - grey[line + c]
                a += slopes[0, line + c] * change
                b += slopes[1, line + c] * change
        return float(a), float(b)
    _cut(smooth, x, y, window)
    for j in range(SIDE * SIDE):
        change = window[j] - grey[j]
        a += slopes[0, j] * change
        b += slopes[1, j] * change
    return float(a), float(b)


@compiled
def _cut(picture: Plane, x: float, y: float, result: Plane) -> None:
    """``result`` (pixels,): the window around (x, y), between pixels where need be."""
    height, width = picture.shape
    (left, across), (top, down) = _between(x), _between(y)
    u, v = f32(across), f32(down)
    for r in range(SIDE):
        upper, lower = picture[_kept(top + r, height)], picture[_kept(top + r + 1, height)]
        for c in range(SIDE):
            at, after = _kept(left + c, width), _kept(left + c + 1, width)
            first = upper[at] + u * (upper[after] - upper[at])
            second = lower[at] + u * (lower[after] - lower[at])
            result[r * SIDE + c] = first + v * (second - first)


@compiled
def _prepare(
    smooth: Plane,
    slope_x: Plane,
    slope_y: Plane,
    weight: Plane,
    grey: Plane,
    slopes: Plane,
    start: Doubles,
    texture: Doubles,
) -> None:
    """The windows of the resting image: ``grey`` (windows, pixels); ``slopes`` (windows, 2, pixels) without
    their mean, times ``weight`` (pixels,); ``texture`` (windows, 2, 2), their structure tensors."""
    for k in range(len(start)):
        _cut(smooth, start[k, 0], start[k, 1], grey[k])
        _cut(slope_x, start[k, 0], start[k, 1], slopes[k, 0])
        _cut(slope_y, start[k, 0], start[k, 1], slopes[k, 1])
        for way in range(2):
            mean = f32(0)
            for j in range(SIDE * SIDE):
                mean += weight[j] * slopes[k, way, j]
            for j in range(SIDE * SIDE):
                slopes[k, way, j] -= mean
        xx, xy, yy = f32(0), f32(0), f32(0)
        for j in range(SIDE * SIDE):
            x, y = slopes[k, 0, j], slopes[k, 1, j]
            slopes[k, 0, j], slopes[k, 1, j] = weight[j] * x, weight[j] * y
            xx += slopes[k, 0, j] * x
            xy += slopes[k, 0, j] * y
            yy += slopes[k, 1, j] * y
        texture[k, 0, 0], texture[k, 0, 1], texture[k, 1, 0], texture[k, 1, 1] = xx, xy, xy, yy


@compiled
def _kept(index: int, length: int) -> int:
    """Within the image."""
    return min(max(index, 0), length - 1)


@compiled
def _solved(matrix: Doubles, right: Doubles) -> None:
    """Cholesky's method, in place; 0 where the matrix is singular."""
    for i in range(UNKNOWNS):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = rest / matrix[j, j]
            elif rest > 0:
                matrix[i, i] = np.sqrt(rest)
            else:
                right[:] = 0.0
                return
    for i in range(UNKNOWNS):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(UNKNOWNS - 1, -1, -1):
        for k in range(i + 1, UNKNOWNS):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]


@compiled
def _median(values: Doubles, ordered: Doubles) -> float:
    """``ordered``: room for the values by size."""
    count = len(values)
    for k in range(count):
        at = k
        while at > 0 and ordered[at - 1] > values[k]:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = values[k]
    return float((ordered[count // 2] + ordered[(count - 1) // 2]) / 2)


@compiled
def _measure(
    smooth: Plane,
    grey: Plane,
    slopes: Plane,
    texture: Doubles,
    inverse: Doubles,
    carry: Doubles,
    start: Doubles,
    tiny: float,
    rigid: int,
    head: Doubles,
    own: Doubles,
    room: Doubles,
    window: Plane,
) -> None:
    """See ``PlaceFlow.measure``; ``head`` (UNKNOWNS,) and ``own`` (windows, 2) are the result, of the skull
    0. ``room`` (ROOM + windows, UNKNOWNS) and ``window`` (pixels,) are to work in."""
    normal, step_back, pull = room[:UNKNOWNS], room[UNKNOWNS], room[ROOM:]
    head[:] = 0.0
    own[:] = 0.0
    for step in range(STEPS):
        for k in range(len(start)):
            across = down = 0.0
            for j in range(UNKNOWNS):
                across += carry[k, 0, j] * head[j]
                down += carry[k, 1, j] * head[j]
            if k >= rigid:  # motion that the head explains by now is no longer the place's own
                pull[k, 2], pull[k, 3] = own[k, 0] + across, own[k, 1] + down
            x, y = start[k, 0] + own[k, 0] + across, start[k, 1] + own[k, 1] + down
            pull[k, 0], pull[k, 1] = _pulled(smooth, grey[k], slopes[k], x, y, window)
        _follow(step, texture[:rigid], inverse, carry, pull[:rigid], tiny, normal, step_back)
        for j in range(UNKNOWNS):
            furthest = FURTHEST if j < ASIDE else FURTHEST_TURN
            head[j] = min(max(head[j] - step_back[j], -furthest), furthest)
        for k in range(rigid, len(start)):
            apart_x, apart_y = pull[k, 2], pull[k, 3]
            for j in range(UNKNOWNS):
                apart_x -= carry[k, 0, j] * head[j]
                apart_y -= carry[k, 1, j] * head[j]
            right = texture[k, 0, 0] * apart_x + texture[k, 0, 1] * apart_y - pull[k, 0]
            below = texture[k, 1, 0] * apart_x + texture[k, 1, 1] * apart_y - pull[k, 1]
            own[k, 0] = inverse[k, 0, 0] * right + inverse[k, 0, 1] * below
            own[k, 1] = inverse[k, 1, 0] * right + inverse[k, 1, 1] * below


@compiled
def _follow(
    step: int,
    texture: Doubles,
    inverse: Doubles,
    carry: Doubles,
    pull: Doubles,
    tiny: float,
    normal: Doubles,
    step_back: Doubles,
) -> None:
    """``step_back`` (UNKNOWNS,): how the head moves to where the windows of the skull pull it. From the
    second ``step`` on a window that cannot follow the others (hair, a hand) counts less."""
    left, ordered = pull[:, 2], pull[:, 3]
    usual = 0.0
    if step:
        for k in range(len(pull)):
            x = inverse[k, 0, 0] * pull[k, 0] + inverse[k, 0, 1] * pull[k, 1]
            y = inverse[k, 1, 0] * pull[k, 0] + inverse[k, 1, 1] * pull[k, 1]
            left[k] = np.sqrt(x * x + y * y)
        usual = _median(left, ordered) + 1e-6
    normal[:] = 0.0
    step_back[:] = 0.0
    for k in range(len(pull)):
        weight = 1 / (1 + (left[k] / usual) ** 2) if step else 1.0
        for i in range(UNKNOWNS):
            right, below = weight * carry[k, 0, i], weight * carry[k, 1, i]
            step_back[i] += right * pull[k, 0] + below * pull[k, 1]
            x = right * texture[k, 0, 0] + below * texture[k, 1, 0]
            y = right * texture[k, 0, 1] + below * texture[k, 1, 1]
            for j in range(UNKNOWNS):
                normal[i, j] += x * carry[k, 0, j] + y * carry[k, 1, j]
    for i in range(UNKNOWNS):
        normal[i, i] += tiny
    _solved(normal, step_back)


def measure_function() -> Any:
    """``_measure``, compiled for C as ``place_flow.py`` calls it: numba's ``CFunc``."""
    floats, numbers, whole = types.CPointer(types.float32), types.CPointer(types.float64), types.int64
    arrays = (*4 * (floats,), *7 * (numbers,))
    signature = types.void(*arrays, *4 * (whole,), types.float64)
    return compiled_for_c(signature, _measure_in_c)


def _measure_in_c(  # type: ignore[no-untyped-def]  # numba's pointers have no types here
    smooth,
    grey,
    slopes,
    window,
    texture,
    inverse,
    carry,
    start,
    head,
    own,
    room,
    height,
    width,
    rigid,
    count,
    tiny,
):
    _measure(
        carray(smooth, (height, width)),
        carray(grey, (count, SIDE * SIDE)),
        carray(slopes, (count, 2, SIDE * SIDE)),
        carray(texture, (count, 2, 2)),
        carray(inverse, (count, 2, 2)),
        carray(carry, (count, 2, UNKNOWNS)),
        carray(start, (count, 2)),
        tiny,
        rigid,
        carray(head, (UNKNOWNS,)),
        carray(own, (count, 2)),
        carray(room, (ROOM + count, UNKNOWNS)),
        carray(window, (SIDE * SIDE,)),
    )


def prepare_function() -> Any:
    """``_prepare``, in the same way."""
    arrays = (*6 * (types.CPointer(types.float32),), *2 * (types.CPointer(types.float64),))
    signature = types.void(*arrays, *3 * (types.int64,))
    return compiled_for_c(signature, _prepare_in_c)


def _prepare_in_c(  # type: ignore[no-untyped-def]
    smooth, slope_x, slope_y, weight, grey, slopes, start, texture, height, width, count
):
    _prepare(
        carray(smooth, (height, width)),
        carray(slope_x, (height, width)),
        carray(slope_y, (height, width)),
        carray(weight, (SIDE * SIDE,)),
        carray(grey, (count, SIDE * SIDE)),
        carray(slopes, (count, 2, SIDE * SIDE)),
        carray(start, (count, 2)),
        carray(texture, (count, 2, 2)),
    )
