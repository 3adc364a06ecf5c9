"""Displacement of a few places of a face between two small images, to hundredths of a pixel.

Lucas and Kanade's registration (Baker & Matthews 2004, DOI 10.1023/B:VISI.0000011205.11775.fd), for some
windows rather than a whole field: those of the skull together give the head's motion, a similarity transform;
every other window gives the motion of its place relative to that. Brightness may change: the mean of each
window is removed. Where the skin has no texture, the result tends to no motion instead of to noise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Picture = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
"""(S, S) grey levels."""

_BLUR = 1.2
"""Pixels; smooths the images over the step to be measured, and reduces noise."""
SIGMA = 6.0
"""Pixels; the windows' Gaussian weight, about as wide as the skin that moves together: noise averages out."""
REACH = 11
"""Pixels from a window's middle to its edge."""
_STEPS = 2
"""Iterations; starting from a tracked pose, the first one is nearly exact."""
_STIFFNESS = 0.1
"""Regularisation towards no motion, as a fraction of the typical texture strength."""
_FURTHEST = 8.0
"""Pixels; a head that seems to have moved further in one step is lost."""

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
        self._carry = similarity(self._start, np.array(picture.shape[::-1]) / 2, unit)
        windows = _windows(np.dstack([smooth, slope_x, slope_y]), self._start)
        self._grey, slopes = windows[..., 0], windows[..., 1:]
        slopes = slopes - (_WEIGHT @ slopes)[:, None]
        # (n + m, 2, pixels): applied to a difference of images it gives the right-hand side
        self._slopes = np.ascontiguousarray((slopes * _WEIGHT[:, None]).swapaxes(1, 2))
        self._texture = (self._slopes @ slopes).astype(np.float64)  # (n + m, 2, 2) structure tensors
        strength = float(np.trace(self._texture, axis1=1, axis2=2).mean()) / 2
        stiff = (_STIFFNESS * strength + 1e-3) * np.eye(2)
        self._inverse = _inverse(self._texture + stiff)
        self._tiny = (1e-3 + 1e-4 * strength) * np.eye(4)

    def measure(self, picture: Picture) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The head's motion since the resting image, and the motion of each of ``places`` relative to it.

        Returns (4,): shift right and down in pixels, growth and turn (clockwise) in pixels at one ``unit``
        from the middle of the image; and (m, 2) pixels.
        """
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR)
        n = self._rigid
        head, own = np.zeros(4), np.zeros_like(self._start)  # own motion: of the skull 0
        weight = np.ones(n)
        rigid, texture = self._carry[:n], self._texture[:n]
        for step in range(_STEPS):
            carried = self._carry @ head
            change = _windows(smooth, self._start + carried + own) - self._grey
            pull = (self._slopes @ change[..., None])[..., 0].astype(np.float64)
            if step:  # a window of the skull that cannot follow the others (hair, a hand) counts less
                left = np.hypot(*(self._inverse[:n] @ pull[:n, :, None])[..., 0].T)
                weight = 1 / (1 + (left / (_median(left) + 1e-6)) ** 2)
            weighted = (rigid.swapaxes(1, 2) * weight[:, None, None]).transpose(1, 0, 2).reshape(4, -1)
            normal = weighted @ (texture @ rigid).reshape(-1, 4)
            _, step_back = cv2.solve(
                normal + self._tiny, weighted @ pull[:n].ravel(), flags=cv2.DECOMP_CHOLESKY
            )
            head = head - step_back[:, 0]
            head = np.clip(head, -_FURTHEST, _FURTHEST)
            # Motion that the head now explains is no longer the place's own.
            apart = own + carried - self._carry @ head
            wanted = (self._texture[n:] @ apart[n:, :, None])[..., 0] - pull[n:]
            own[n:] = (self._inverse[n:] @ wanted[..., None])[..., 0]
        return head, own[n:]


def _median(values: Floats) -> float:
    """np.median takes ten times as long."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2)


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
