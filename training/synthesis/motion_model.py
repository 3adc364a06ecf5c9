"""Action units → displacement of the skin: the single motion model behind all synthesis.

The flow fields that the default weights learn from and the clips that test the program are both drawn from
``displacement``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.action_units import ACTION_UNITS, MIRROR, Bump

Field = npt.NDArray[np.float32]
"""(H, W, 2) float32 pixels: where the skin at (y, x) goes, (u right, v down)."""
SizedBump = tuple[Bump, str, float]
"""A bump, on which side (``left``, ``right`` or ``central``), and how strong, in face widths."""


@dataclass(frozen=True)
class Activation:
    """One action unit, active on one face."""

    unit: int
    """The unit's FACS number."""
    left: float
    """Peak displacement on the image's left side, in face widths (px / 256 on a 256-px face)."""
    right: float
    """The same on the right side; midline units move by the mean of both."""


def face_width(landmarks: npt.NDArray[np.float32]) -> float:
    """Distance of φ1 and φ15 in pixels: what "a 256-px face" measures."""
    return float(np.linalg.norm(landmarks[15] - landmarks[1]))


def displacement(
    landmarks: npt.NDArray[np.float32], activations: Iterable[Activation], shape: tuple[int, int]
) -> Field:
    """Sum of all activations' bumps on an image of ``shape`` (H, W) whose face has these landmarks.

    Bumps of one unit add up; directions follow the face's roll. Returns zeros without activations.
    """
    return bump_field(landmarks, _bumps(activations), shape)


def displacement_at(
    landmarks: npt.NDArray[np.float32], activations: Iterable[Activation], points: npt.NDArray[np.float32]
) -> Field:
    """The same at (…, 2) ``points`` of the image."""
    field = np.zeros(points.shape, np.float32)
    for bump, side, size in _bumps(activations):
        if size:
            _add_bump(field, points[..., 0], points[..., 1], landmarks, bump, side, size)
    return field


def _bumps(activations: Iterable[Activation]) -> Iterator[SizedBump]:
    for activation in activations:
        for bump in ACTION_UNITS[activation.unit].bumps:
            if bump.central:
                yield bump, "central", (activation.left + activation.right) / 2
            else:
                yield bump, "left", activation.left
                yield bump, "right", activation.right


def bump_field(
    landmarks: npt.NDArray[np.float32], bumps: Iterable[SizedBump], shape: tuple[int, int]
) -> Field:
    """Sum of bumps on an image of ``shape`` (H, W) whose face has these landmarks; zeros without any."""
    ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    field = np.zeros((*shape, 2), np.float32)
    for bump, side, size in bumps:
        if size:
            _add_bump(field, xs, ys, landmarks, bump, side, size)
    return field


def peak_of(
    landmarks: npt.NDArray[np.float32], activations: Iterable[Activation], shape: tuple[int, int]
) -> float:
    """The greatest displacement of the skin, in pixels of a face 256 px wide."""
    field = displacement(landmarks, activations, shape)
    return float(np.linalg.norm(field, axis=2).max()) * 256 / face_width(landmarks)


def _add_bump(
    field: Field,
    xs: npt.NDArray[np.float32],
    ys: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.float32],
    bump: Bump,
    side: str,
    size: float,
) -> None:
    unit = face_width(landmarks)
    across = (landmarks[15] - landmarks[1]) / unit
    down = np.array((-across[1], across[0]), np.float32)
    outward = -across if side == "left" else across
    anchors = [MIRROR[k] for k in bump.anchor] if side == "right" else list(bump.anchor)
    centre = landmarks[anchors].mean(axis=0) + unit * (bump.shift[0] * outward + bump.shift[1] * down)
    dx, dy = xs - centre[0], ys - centre[1]
    a = (dx * across[0] + dy * across[1]) / (bump.radius[0] * unit)
    b = (dx * down[0] + dy * down[1]) / (bump.radius[1] * unit)
    weight = np.exp(-0.5 * (a * a + b * b))[..., None]
    field += (size * unit) * weight * (bump.pull[0] * outward + bump.pull[1] * down)
