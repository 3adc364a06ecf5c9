"""Displacement of a few places of a face between two small images, to hundredths of a pixel.

Lucas and Kanade's registration (Baker & Matthews 2004, DOI 10.1023/B:VISI.0000011205.11775.fd), for some
windows rather than a whole field: those of the skull together give the head's motion, a similarity transform;
every other window gives the motion of its place relative to that. Brightness may change: the mean of each
window is removed. Where the skin has no texture, the result tends to no motion instead of to noise.
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

_BLUR = 1.2
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
ROOM = 5
"""Rows of four numbers that the compiled part works in, beside one a window."""
_KERNEL = Path(__file__).with_name("place_flow_kernel.py")

_LINE = np.arange(-REACH, REACH + 1, dtype=np.float32)
_BELL = np.exp(-(_LINE**2) / (2 * SIGMA**2))
_WEIGHT = (np.outer(_BELL, _BELL) / _BELL.sum() ** 2).astype(np.float32).ravel()


class PlaceFlow:
    """One image at rest, against which later ones are measured."""

    def __init__(self, picture: Picture, skull: Floats, places: Floats, unit: float) -> None:
        """``skull`` (n, 2) and ``places`` (m, 2): pixels (right, down).

        ``unit``: the length in pixels at which the head's turn and growth are measured.
        """
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR)
        slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        self._rigid = len(skull)
        self._start = np.concatenate([skull, places]).astype(np.float64)
        carry = similarity(self._start, np.array(picture.shape[::-1]) / 2, unit)
        windows = _windows(np.dstack([smooth, slope_x, slope_y]), self._start)
        grey, slopes = np.ascontiguousarray(windows[..., 0]), windows[..., 1:]
        slopes = slopes - (_WEIGHT @ slopes)[:, None]
        # (n + m, 2, pixels): applied to a difference of images it gives the right-hand side
        weighted = np.ascontiguousarray((slopes * _WEIGHT[:, None]).swapaxes(1, 2))
        texture = (weighted @ slopes).astype(np.float64)  # (n + m, 2, 2) structure tensors
        strength = float(np.trace(texture, axis1=1, axis2=2).mean()) / 2
        stiff = (_STIFFNESS * strength + 1e-3) * np.eye(2)
        inverse, count = _inverse(texture + stiff), len(self._start)
        self._head, self._own = np.zeros(4), np.zeros((count, 2))
        room = np.zeros((ROOM + count, 4))
        self._arrays = grey, weighted, texture, inverse, carry, self._start, self._head, self._own, room
        self._places = [array.ctypes.data for array in self._arrays]
        self._rest = *smooth.shape, self._rigid, count, 1e-3 + 1e-4 * strength

    def measure(self, picture: Picture) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The head's motion since the resting image, and the motion of each of ``places`` relative to it.

        Returns (4,): shift right and down in pixels, growth and turn (clockwise) in pixels at one ``unit``
        from the middle of the image; and (m, 2) pixels. ``picture`` has the size of the resting image.
        """
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR)
        kernel()(smooth.ctypes.data, *self._places, *self._rest)
        return self._head.copy(), self._own[self._rigid :].copy()


@cache
def kernel() -> Any:
    """The machine code that measures a smoothed image, as a function; made now where it was not kept."""
    types = (*10 * (ctypes.c_void_p,), *4 * (ctypes.c_int64,), ctypes.c_double)
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled))


def _compiled() -> Any:
    from spotting.place_flow_kernel import measure_function

    return measure_function()


def _inverse(tensors: Floats) -> Floats:
    """(n, 2, 2) symmetric → their inverses. LAPACK would start threads for them."""
    a, b, d = tensors[:, 0, 0], tensors[:, 0, 1], tensors[:, 1, 1]
    turned = np.stack([d, -b, -b, a], axis=1).reshape(-1, 2, 2)
    return np.asarray(turned / (a * d - b * b)[:, None, None])


def _windows(picture: Floats, places: Floats) -> Floats:
    """(n, pixels[, channels]): the image around each place, between pixels where need be."""
    side = len(_LINE)
    x = np.tile((places[:, :1] + _LINE).astype(np.float32), side)
    y = np.repeat((places[:, 1:] + _LINE).astype(np.float32), side, axis=1)
    cut = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.float32)


def similarity(places: Floats, middle: Floats, unit: float) -> Floats:
    """(n, 2, 4): motion of each place by shift right, shift down, growth and turn."""
    x, y = (places - middle).T / unit
    one, zero = np.ones_like(x), np.zeros_like(x)
    return np.stack([np.stack([one, zero, x, -y], axis=1), np.stack([zero, one, y, x], axis=1)], axis=1)
