"""A similarity applied to a grey image, to the grey level what OpenCV's ``warpAffine`` gives, and faster.

OpenCV reads four pixels for each that it makes; here those four are first put beside each other, so that one
read gets all of them and the rest becomes vector instructions (``warp_kernel.py``).
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.machine.machine_code import machine_code

Grey = npt.NDArray[np.uint8]
"""(H, W) grey levels."""

ROWS = 6
"""Rows of whole numbers, and two of fractions, that the compiled part works in."""
_KERNEL = Path(__file__).with_name("warp_kernel.py")
_TAKEN = (ROWS,)


def warped(picture: Grey, pose: npt.NDArray[np.float64], side: int, fine: int) -> Grey:
    """(side, side) grey levels: the picture moved by ``pose`` (2, 3) to ``fine`` (1 or 2) times that size,
    and there reduced to means of four pixels. Bilinear in steps of 1/32 pixel; what lies beyond the picture
    is like its edge."""
    picture, pose = np.ascontiguousarray(picture), np.ascontiguousarray(pose, np.float64)
    result = np.empty((side, side), np.uint8)
    beside = np.empty(picture.shape, np.uint32)
    whole, parts = np.empty((ROWS, fine * side), np.int32), np.empty((2, fine * side), np.float32)
    arrays = picture, pose, result, beside, whole, parts
    kernel()(*(array.ctypes.data for array in arrays), *picture.shape, side, fine)
    return result


@cache
def kernel() -> Any:
    """The machine code, as a function; made now where it was not kept."""
    types = (*6 * (ctypes.c_void_p,), *4 * (ctypes.c_int64,))
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled, _TAKEN))


def _compiled() -> Any:
    from spotting.face.warp_kernel import warp_function

    return warp_function()
