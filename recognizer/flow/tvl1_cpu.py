"""Dual TV-L1 optical flow on the CPU: one pair of images, one thread, compiled by numba.

The method is that of Zach, Pock and Bischof (2007, DOI 10.1007/978-3-540-74936-3_22), with the warps and
the stopping rule described by Sánchez, Meinhardt-Llopis and Facciolo (2013, DOI 10.5201/ipol.2013.26). The
details follow ``cv2.optflow.DualTVL1OpticalFlow`` of OpenCV 4.11, so that both flows are
interchangeable. The sum of λ·|I₁(x + u) − I₀(x)| + |∇u| over all pixels is minimised, coarse to fine.

One scale is refined by machine code (``tvl1_kernel.py``), which numba makes once a machine. The interpreter's
lock is released meanwhile, so pairs can run in parallel threads.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.flow.parameters import DEFAULTS, Parameters
from recognizer.machine.machine_code import machine_code

Plane = npt.NDArray[np.float32]
"""(H, W) float32; several: (N, H, W)."""

SMALLEST = 16
"""Shortest side of a pyramid level, pixels."""
LINE = 16
"""float32s in a cache line: column x of a plane is at x + LINE, so that rows begin on one."""
MEDIAN = 5
"""Side of the only median filter available here, pixels."""
EDGE = 4
"""Zeros around the second image, which a warp from outside reads."""
PLANES = 8
"""Planes that are worked in: the flow, room for one of its parts, the linearised difference of the images,
room for sorted columns."""

_KERNEL = Path(__file__).with_name("tvl1_kernel.py")
_TAKEN = (EDGE, LINE, MEDIAN, PLANES)


def tvl1(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic], p: Parameters = DEFAULTS) -> Plane:
    """Flow from ``first`` to ``second``: ``second(x + u, y + v)`` looks like ``first(x, y)``.

    Both: (H, W), grey values 0–255 of any real type, finite, of one size, sides of at least 16 pixels
    (checked in ``engine.py``, not here). Returns (H, W, 2) float32: u (to the right) and v (down) in pixels.
    Raises ValueError for a median filter whose side is not 5.
    """
    if p.median != MEDIAN:
        raise ValueError(f"the median filter of the flow on the CPU has a side of {MEDIAN}, not {p.median}")
    levels = [(_plane(first), _plane(second))]
    while len(levels) < p.scales:
        smaller = tuple(_shrunk(picture, p.scale_step) for picture in levels[-1])
        if min(smaller[0].shape) < SMALLEST:
            break
        levels.append((smaller[0], smaller[1]))
    u, v = np.zeros_like(levels[-1][0]), np.zeros_like(levels[-1][0])
    for onset, apex in reversed(levels):
        if u.shape != onset.shape:
            u, v = (_grown(part, onset.shape, p.scale_step) for part in (u, v))
        _refine(onset, apex, u, v, p)
    return np.dstack([u, v])


def _plane(picture: npt.NDArray[np.generic]) -> Plane:
    return np.ascontiguousarray(picture, np.float32)


def _shrunk(picture: Plane, step: float) -> Plane:
    return _plane(cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR))


def _grown(part: Plane, shape: tuple[int, ...], step: float) -> Plane:
    return _plane(cv2.resize(part, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)) * np.float32(
        1 / step
    )


def _refine(first: Plane, second: Plane, u: Plane, v: Plane, p: Parameters) -> None:
    """One scale: improves the flow (u, v), (H, W) each like the images, in place."""
    height, width = first.shape
    planes, dual = room(PLANES, height, width), room(4, height + 1, width)
    source = np.zeros((3, height + 2 * EDGE, width + 2 * EDGE), np.float32)
    places, residual = np.empty((2, width), np.int32), np.empty(width, np.float32)
    arrays = (first, second, u, v, planes, dual, source, places, residual)
    kernel()(
        *(array.ctypes.data for array in arrays),
        *(height, width, planes.shape[2], p.tau, p.lambda_, p.theta, p.epsilon),
        *(p.warps, p.outer_iterations, p.inner_iterations),
    )


def room(count: int, height: int, width: int) -> Plane:
    """``count`` planes of zeros whose rows begin on a cache line: (count, height, pitch)."""
    pitch = LINE + (width // LINE + 2) * LINE
    flat = np.zeros(count * height * pitch + LINE, np.float32)
    start = (-flat.ctypes.data // 4) % LINE
    return flat[start : start + count * height * pitch].reshape(count, height, pitch)


@cache
def kernel() -> Any:
    """The machine code that refines a scale, as a function; made now where it was not kept."""
    types = (*9 * (ctypes.c_void_p,), *3 * (ctypes.c_int64,), *4 * (ctypes.c_double,), *3 * (ctypes.c_int64,))
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled, _TAKEN))


def _compiled() -> Any:
    from recognizer.flow.tvl1_kernel import refine_function

    return refine_function()
