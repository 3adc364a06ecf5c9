"""How a recording's images are to be shown: rotated, mirrored, with pixels that are not square."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type

from stream.frame import Image

_UNIT = 65536  # the display matrix holds fixed-point numbers
_NEAR = 0.02
"""A rotation within a degree of a quarter turn counts as one."""
_WIDEST = Fraction(4)
"""No recording has pixels more oblong than this; a file that says so is damaged."""


def to_image(frame: Any, aspect: Fraction | None = None) -> Image:
    """BGR uint8, C-contiguous, as players show it. ``aspect``: a pixel's width over its height."""
    image = square_pixels(frame.to_ndarray(format="bgr24"), aspect)
    side_data = frame.side_data.get(Type.DISPLAYMATRIX)
    if side_data is not None:
        image = turned(image, np.frombuffer(side_data, np.int32)[:9].reshape(3, 3))
    return np.ascontiguousarray(image, np.uint8)


def is_believable(aspect: Fraction | None) -> bool:
    """False for an implausible pixel shape."""
    return not aspect or 1 / _WIDEST <= aspect <= _WIDEST


def square_pixels(image: Image, aspect: Fraction | None) -> Image:
    """The image stretched until its pixels are square; it only grows, as shrinking would lose detail."""
    if not aspect or aspect == 1 or not is_believable(aspect):
        return image
    height, width = image.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def turned(image: Image, matrix: npt.NDArray[np.int32]) -> Image:
    """The image rotated and mirrored by a (3, 3) display matrix, whose scale and shift are ignored.

    A matrix that is not a rotation (all zero, say) changes nothing.
    """
    turn = _Turn.of(matrix)
    if turn is None:
        return image
    if not turn.is_quarter:
        return _askew(image, turn)
    if round(turn.right[1]):
        image = image.transpose(1, 0, 2)
    return image[:: -1 if sum(turn.down) < -0.5 else 1, :: -1 if sum(turn.right) < -0.5 else 1]


@dataclass(frozen=True)
class _Turn:
    """Where a pixel goes: coefficients of (x, y) in its new place, right and down."""

    right: tuple[float, float]
    down: tuple[float, float]

    @classmethod
    def of(cls, matrix: npt.NDArray[np.int32]) -> _Turn | None:
        # The matrix multiplies a row vector (x, y) from the right.
        columns = matrix[:2, :2].astype(np.float64).T / _UNIT
        lengths = np.linalg.norm(columns, axis=1)
        if lengths.min() < _NEAR:
            return None
        unit = columns / lengths[:, None]
        if abs(np.linalg.det(unit)) < 0.5:
            return None
        return cls((float(unit[0, 0]), float(unit[0, 1])), (float(unit[1, 0]), float(unit[1, 1])))

    @property
    def is_quarter(self) -> bool:
        parts = np.array((self.right, self.down))
        return bool(np.abs(parts - np.rint(parts)).max() < _NEAR)


def _askew(image: Image, turn: _Turn) -> Image:
    """Rotated by any angle, on a canvas that contains all of it."""
    height, width = image.shape[:2]
    linear = np.array((turn.right, turn.down))
    corners = np.array(((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1))) @ linear.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.ceil(high - low).astype(int) + 1
    place = np.column_stack((linear, -low))
    return np.asarray(cv2.warpAffine(image, place, (int(size[0]), int(size[1]))), np.uint8)
