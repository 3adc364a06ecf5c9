"""The inputs of KFC-MER: flow and strain at full size, and where the face's components are."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from training.features.archive import Pairs
from training.models.inputs import Input

MOTIONS = 6
"""Channels of motion: u, v and their length; εxx, εyy, εxy."""
_BROW = 0.04
"""Thickness of a brow, as a fraction of the image's width."""
_SOFT = 0.015
"""Standard deviation by which edges are softened, as a fraction of the image's width: a parsing network
gives probabilities."""
_JAW, _LEFT_BROW, _RIGHT_BROW = range(17), range(17, 22), range(22, 27)
_AREAS: tuple[tuple[int, ...], ...] = (
    (*_JAW, *reversed(_RIGHT_BROW), *reversed(_LEFT_BROW)),  # skin
    tuple(range(36, 42)),  # eye on the left of the image
    tuple(range(42, 48)),  # … on the right
    (27, *range(31, 36)),  # nose
    tuple(range(60, 68)),  # mouth, between the lips
    (*range(48, 55), *range(64, 59, -1)),  # upper lip
    (*range(54, 60), 48, 60, *range(67, 63, -1)),  # lower lip
)
"""Landmarks round each area."""
COMPONENTS = len(_AREAS) + 2
"""The areas, then the brow on the left of the image, and the one on the right."""


def motion_and_components(pairs: Pairs) -> npt.NDArray[np.uint8]:
    """(n, 15, H, W): u, v, length; εxx, εyy, εxy, each stretched to 0–255 (min–max); nine components."""
    assert pairs.faces is not None, "an archive without faces was refused earlier"
    samples = []
    for flow, landmarks in zip(pairs.faces.flow, pairs.faces.landmarks, strict=True):
        motion = [_stretched(channel) for channel in _motion(flow.astype(np.float32))]
        samples.append(np.stack([*motion, *components(landmarks, flow.shape[1:])]))
    return np.stack(samples)


def _motion(flow: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    u, v = flow
    (u_down, u_right), (v_down, v_right) = np.gradient(u), np.gradient(v)
    return [u, v, np.hypot(u, v), u_right, v_down, (u_down + v_right) / 2]


def _stretched(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    low, high = float(channel.min()), float(channel.max())
    return np.asarray(np.rint((channel - low) * (255 / max(high - low, 1e-6))), np.uint8)


def components(landmarks: npt.NDArray[np.float32], shape: tuple[int, ...]) -> list[npt.NDArray[np.uint8]]:
    """Nine maps (H, W), 255 within and 0 outside, with soft edges. ``landmarks``: (68, 2) in pixels."""
    points = np.rint(landmarks).astype(np.int32)
    maps = []
    for area in _AREAS:
        drawn = np.zeros(shape, np.uint8)
        cv2.fillPoly(drawn, [points[list(area)]], 255)
        maps.append(drawn)
    for brow in (_LEFT_BROW, _RIGHT_BROW):
        drawn = np.zeros(shape, np.uint8)
        cv2.polylines(drawn, [points[list(brow)]], False, 255, max(round(_BROW * shape[1]), 1))
        maps.append(drawn)
    return [np.asarray(cv2.GaussianBlur(one, None, _SOFT * shape[1]), np.uint8) for one in maps]


MOTION_AND_COMPONENTS = Input(
    motion_and_components,
    sideways=(0, 5),
    exchanged=((MOTIONS + 1, MOTIONS + 2), (MOTIONS + 7, MOTIONS + 8)),
    faces=True,
)
"""In the mirror image u and εxy change their sign, and left and right eye and brow change places."""
