"""The compiled part of ``warp.py``. Importing this module imports numba. Nothing is allocated here.

Sums of 32 bits are brought back to 32 bits at once: where the compiler sees 64, it finds no vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types

from recognizer.machine.kernels import compiled, compiled_for_c
from spotting.face.warp import ROWS, Grey

i32, u32, f32 = np.int32, np.uint32, np.float32

_BITS = 1024
"""Places are summed up in 1/1024 pixel, as in OpenCV, and rounded to 1/32."""
_FURTHEST = 1e9
"""In that unit: two such numbers still have a sum of 32 bits."""


@compiled
def _in_bits(place: float) -> int:
    return int(np.rint(min(max(place * _BITS, -_FURTHEST), _FURTHEST)))


@compiled
def _put_beside(picture: Grey, beside: npt.NDArray[np.uint32]) -> None:
    """``beside``, row after row: every pixel, the one to the right, the one below and the one to the right of
    that, eight bits each."""
    height, width = picture.shape
    last = width - 1
    for y in range(height):
        upper, lower, line = picture[y], picture[min(y + 1, height - 1)], beside[y * width : (y + 1) * width]
        for x in range(last):
            right, below, across = u32(upper[x + 1]), u32(lower[x]), u32(lower[x + 1])
            line[x] = u32(upper[x]) | u32(right << u32(8)) | u32(below << u32(16)) | u32(across << u32(24))
        line[last] = u32(upper[last]) * u32(257) + u32(lower[last]) * u32(257 << 16)


@compiled
def _warp(
    picture: Grey,
    pose: npt.NDArray[np.float64],
    result: Grey,
    beside: npt.NDArray[np.uint32],
    whole: npt.NDArray[np.int32],
    parts: npt.NDArray[np.float32],
    fine: int,
) -> None:
    """See ``warp.warped``; the other arrays are room."""
    height, width = picture.shape
    _put_beside(picture, beside)
    # From a place in the result to one in the picture.
    turn = pose[0, 0] * pose[1, 1] - pose[0, 1] * pose[1, 0]
    turn = 1 / turn if turn != 0 else 0.0
    xx, xy, yx, yy = pose[1, 1] * turn, -pose[0, 1] * turn, -pose[1, 0] * turn, pose[0, 0] * turn
    x0, y0 = -xx * pose[0, 2] - xy * pose[1, 2], -yx * pose[0, 2] - yy * pose[1, 2]
    across, down, at, pixels, row_before, row = whole[0], whole[1], whole[2], whole[3], whole[4], whole[5]
    to_right, to_below = parts[0], parts[1]
    right_edge, lower_edge, pitch, none = i32(width - 1), i32(height - 1), i32(width), i32(0)
    count = whole.shape[1]
    for x in range(count):
        across[x], down[x] = i32(_in_bits(xx * x)), i32(_in_bits(yx * x))
    for y in range(count):
        begin_x = i32(_in_bits(xy * y + x0) + 16)
        begin_y = i32(_in_bits(yy * y + y0) + 16)
        for x in range(count):
            place_x, place_y = i32(i32(begin_x + across[x]) >> 5), i32(i32(begin_y + down[x]) >> 5)
            left, top = i32(place_x >> 5), i32(place_y >> 5)
            to_right[x] = f32(i32(place_x & 31)) if left >= none else f32(0)
            to_below[x] = f32(i32(place_y & 31)) if top >= none else f32(0)
            left, top = min(max(left, none), right_edge), min(max(top, none), lower_edge)
            at[x] = i32(i32(top * pitch) + left)
        for x in range(count):
            pixels[x] = i32(beside[u32(at[x])])
        for x in range(count):
            four, u, v = u32(pixels[x]), to_right[x], to_below[x]
            rest = f32(32) - u
            above = f32(i32(four & u32(255))) * rest + f32(i32((four >> u32(8)) & u32(255))) * u
            below = f32(i32((four >> u32(16)) & u32(255))) * rest + f32(i32(four >> u32(24))) * u
            row[x] = i32((above * (f32(32) - v) + below * v + f32(512)) * f32(1 / 1024))  # exact
        if fine == 1:
            for x in range(count):
                result[y, x] = row[x]
        elif y & 1:
            line = result[y >> 1]
            for x in range(count >> 1):
                four_of = row_before[2 * x] + row_before[2 * x + 1] + row[2 * x] + row[2 * x + 1]
                line[x] = i32(i32(four_of + 2) >> 2)
        row_before, row = row, row_before


def warp_function() -> Any:
    """``_warp``, compiled for C as ``warp.py`` calls it: numba's ``CFunc``."""
    grey, places = types.CPointer(types.uint8), types.CPointer(types.float64)
    room = types.CPointer(types.uint32), types.CPointer(types.int32), types.CPointer(types.float32)
    signature = types.void(grey, places, grey, *room, *4 * (types.int64,))
    return compiled_for_c(signature, _warp_in_c)


def _warp_in_c(  # type: ignore[no-untyped-def]  # numba's pointers have no types here
    picture, pose, result, beside, whole, parts, height, width, side, fine
):
    _warp(
        carray(picture, (height, width)),
        carray(pose, (2, 3)),
        carray(result, (side, side)),
        carray(beside, (height * width,)),
        carray(whole, (ROWS, fine * side)),
        carray(parts, (2, fine * side)),
        fine,
    )
