"""Optical flow for display. The network's input comes from ``FeatureExtractor`` alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Gray
from recognizer.flow.engine import MARGIN, Field, check
from recognizer.flow.parameters import DEFAULTS

QUICK = DEFAULTS._replace(warps=3, outer_iterations=1, epsilon=0.03)
"""Stopped early: at its optimum TV-L1 measures a small movement at half its size, in four times the time."""
_SMOOTH = 3.5 / 192
"""Standard deviation, as a fraction of the image's width, by which TV-L1's field is smoothed."""
_WINDOW = 5 / 192
"""The same for the windows in which the remaining motion is measured."""
_GRAIN_PX = 1.0
_FLAT = 5.0
"""Noise, in squared grey levels per pixel: where skin has less texture, the first measurement stays."""
_REFINEMENTS = 2
_STEP_PX = 1.0
"""Largest change in one refinement: what closes or opens has no motion that could be measured."""

_Plane = npt.NDArray[np.float32]


def shown_flow(first: Gray, second: Gray) -> Field:
    """(H, W, 2): how far each place in ``first`` has moved, in pixels; on one core. AtmeError as ``flows``.

    TV-L1 finds the motion; its bias towards small motion is then removed by least squares in small windows
    (Lucas and Kanade) on the image warped by it.
    """
    from recognizer.flow.tvl1_cpu import tvl1

    check([(first, second)])
    edge = (MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101)
    field = tvl1(cv2.copyMakeBorder(first, *edge), cv2.copyMakeBorder(second, *edge), QUICK)
    width = first.shape[1]
    field = cv2.GaussianBlur(field[MARGIN:-MARGIN, MARGIN:-MARGIN], (0, 0), _SMOOTH * width)
    still, moved = (cv2.GaussianBlur(one.astype(np.float32), (0, 0), _GRAIN_PX) for one in (first, second))
    grid = np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (width, first.shape[0]))))
    for _ in range(_REFINEMENTS):
        back = cv2.remap(moved, grid + field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        field = field + _left(np.asarray(still, np.float32), np.asarray(back, np.float32), _WINDOW * width)
    return np.asarray(field, np.float32)


def _left(still: _Plane, back: _Plane, window: float) -> Field:
    """(H, W, 2): the motion that remains between an image and one that was warped back to it."""
    both = (still + back) / 2
    gx = cv2.Scharr(both, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(both, cv2.CV_32F, 0, 1, scale=1 / 32)
    less = still - back
    xx, xy, yy, bx, by = (
        cv2.GaussianBlur(product, (0, 0), window)
        for product in (gx * gx, gx * gy, gy * gy, gx * less, gy * less)
    )
    xx, yy = xx + _FLAT, yy + _FLAT
    step = np.dstack([yy * bx - xy * by, xx * by - xy * bx]) / (xx * yy - xy * xy)[..., None]
    length = np.hypot(step[..., 0], step[..., 1])[..., None]
    return np.asarray(step * (_STEP_PX / np.maximum(length, _STEP_PX)), np.float32)
