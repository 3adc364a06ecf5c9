"""Displacement of a few places of a face between two small images, to hundredths of a pixel.

Lucas and Kanade's registration (Baker & Matthews 2004, DOI 10.1023/B:VISI.0000011205.11775.fd), for some
windows rather than a whole field: those of the skull together give the head's motion, a similarity transform
and a turn aside, in which nearer places go further; every other window gives the motion of its place
relative to that. Brightness may change: the mean of each window is removed. Where the skin has no texture,
the result tends to no motion instead of to noise.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.machine.machine_code import machine_code

Floats = npt.NDArray[np.floating[Any]]
Picture = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
"""(S, S) grey levels."""

_BLUR = 0.8
"""Pixels; smooths the images over the step to be measured, and reduces noise."""
SIGMA = 6.0
"""Pixels; the windows' Gaussian weight, about as wide as the skin that moves together: noise averages out."""
REACH = 11
"""Pixels from a window's middle to its edge."""
STEPS = 2
"""Iterations; starting from a tracked pose, the first one is nearly exact."""
_STIFFNESS = 0.1
"""Regularisation towards no motion, as a fraction of the typical texture strength."""
FURTHEST = 8.0
"""Pixels; a head that seems to have moved further in one step is lost."""
ASIDE, UNKNOWNS = 4, 5
"""The head's motion: a similarity's four numbers, then that of a turn aside. Not of a nod: brows and lids
pull the root of the nose down as a nod does, and nothing pulls it aside but the head."""
FURTHEST_TURN = 20.0
"""Pixels; the same for a turn, of a place that is one unit nearer than others: 11 degrees."""
ROOM = UNKNOWNS + 1
"""Rows of ``UNKNOWNS`` numbers that the compiled part works in, beside one a window."""
_KERNEL = Path(__file__).with_name("place_flow_kernel.py")
_TAKEN = (ASIDE, FURTHEST, FURTHEST_TURN, REACH, ROOM, STEPS, UNKNOWNS)

_LINE = np.arange(-REACH, REACH + 1, dtype=np.float32)
_BELL = np.exp(-(_LINE**2) / (2 * SIGMA**2))
_WEIGHT = (np.outer(_BELL, _BELL) / _BELL.sum() ** 2).astype(np.float32).ravel()


class PlaceFlow:
    """One image at rest, against which later ones are measured."""

    def __init__(self, picture: Picture, skull: Floats, places: Floats, depths: Floats, unit: float) -> None:
        """``skull`` (n, 2) and ``places`` (m, 2): pixels (right, down). ``depths`` (n + m,): how near to the
        camera they are, in units.

        ``unit``: the length in pixels at which the head's turn and growth are measured.
        """
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR)
        slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        self._rigid = len(skull)
        start = np.concatenate([skull, places]).astype(np.float64)
        count, pixels = len(start), len(_WEIGHT)
        grey, slopes = np.empty((count, pixels), np.float32), np.empty((count, 2, pixels), np.float32)
        texture = np.empty((count, 2, 2))
        arrays = smooth, slope_x, slope_y, _WEIGHT, grey, slopes, start, texture
        _prepare()(*(array.ctypes.data for array in arrays), *smooth.shape, count)
        carry = rigid_motion(start, depths, np.array(picture.shape[::-1]) / 2, unit)
        strength = float(np.trace(texture, axis1=1, axis2=2).mean()) / 2
        stiff = (_STIFFNESS * strength + 1e-3) * np.eye(2)
        inverse = _inverse(texture + stiff)
        self._head, self._own = np.zeros(UNKNOWNS), np.zeros((count, 2))
        window, room = np.empty(pixels, np.float32), np.empty((ROOM + count, UNKNOWNS))
        self._arrays = grey, slopes, window, texture, inverse, carry, start, self._head, self._own, room
        self._places = [array.ctypes.data for array in self._arrays]
        self._sizes = *smooth.shape, self._rigid, count
        self._tiny = 1e-3 + 1e-4 * strength

    def measure(self, picture: Picture) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The head's motion since the resting image, and the motion of each of ``places`` relative to it.

        Returns (5,): shift right and down in pixels, growth and roll (clockwise) in pixels at one ``unit``
        from the middle of the image, turn to the right in pixels of a place one ``unit`` nearer than others;
        and (m, 2) pixels. ValueError for a picture of another size.
        """
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR)
        if smooth.shape != self._sizes[:2]:  # machine code would read beyond it
            raise ValueError(f"a picture of {smooth.shape}, and the resting one of {self._sizes[:2]}")
        _measure()(smooth.ctypes.data, *self._places, *self._sizes, self._tiny)
        return self._head.copy(), self._own[self._rigid :].copy()


def load() -> None:
    """The machine code, which is made now where it was not kept."""
    _prepare(), _measure()


@cache
def _prepare() -> Any:
    types = (*8 * (ctypes.c_void_p,), *3 * (ctypes.c_int64,))
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled_prepare, _TAKEN))


@cache
def _measure() -> Any:
    types = (*11 * (ctypes.c_void_p,), *4 * (ctypes.c_int64,), ctypes.c_double)
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled_measure, _TAKEN))


def _compiled_prepare() -> Any:
    from spotting.place_flow_kernel import prepare_function

    return prepare_function()


def _compiled_measure() -> Any:
    from spotting.place_flow_kernel import measure_function

    return measure_function()


def _inverse(tensors: Floats) -> Floats:
    """(n, 2, 2) symmetric → their inverses. LAPACK would start threads for them."""
    a, b, d = tensors[:, 0, 0], tensors[:, 0, 1], tensors[:, 1, 1]
    turned = np.stack([d, -b, -b, a], axis=1).reshape(-1, 2, 2)
    return np.asarray(turned / (a * d - b * b)[:, None, None])


def rigid_motion(places: Floats, depths: Floats, middle: Floats, unit: float) -> Floats:
    """(n, 2, 5): motion of each place by shift right, shift down, growth, roll and turn to the right."""
    x, y = (places - middle).T / unit
    one, zero = np.ones_like(x), np.zeros_like(x)
    across, down = (one, zero, x, -y, depths), (zero, one, y, x, zero)
    return np.stack([np.stack(across, axis=1), np.stack(down, axis=1)], axis=1)
