"""The pose of a face, a (2, 3) matrix: the similarity from the frame to the image of ``face.places``."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.landmarks import Landmarks
from spotting.face.places import FACE, LANDMARKS, PX_256, RIGID, SIZE
from spotting.face.warp import warped

Pose = npt.NDArray[np.float64]

SAME: Pose = np.array(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
"""The pose of a frame that is canonical."""
_FINE = 1.5
"""A face this many times its canonical size is sampled at twice that size and then reduced, and a face twice
as large is halved before, to avoid aliasing."""


def alignment(landmarks: Landmarks) -> Pose:
    """(2, 3) similarity that brings the rigid landmarks to their canonical places (Umeyama 1991)."""
    source, target = landmarks[RIGID].astype(np.float64), LANDMARKS.astype(np.float64)
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    norm = (a * a).sum()
    cos, sin = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    turn = np.array(((cos, -sin), (sin, cos)))
    return np.hstack([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]])


def canonical(image: npt.NDArray[np.uint8], pose: Pose) -> npt.NDArray[np.uint8]:
    """(SIZE, SIZE) grey image of the face in a BGR uint8 image, brought to its canonical place."""
    # Only the part of the image around the face is converted to grey, with a margin for interpolation.
    corners = in_frame(pose, np.array(((0, 0), (SIZE, 0), (SIZE, SIZE), (0, SIZE)), np.float32))
    height, width = image.shape[:2]
    left, top = (corners.min(axis=0) - 4).clip(0, (width - 1, height - 1)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0) + 4).clip((left + 1, top + 1), (width, height)).astype(int)
    gray = np.asarray(cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY), np.uint8)
    place = pose.copy()
    place[:, 2] += place[:, :2] @ (left, top)
    larger = 1 / float(np.hypot(pose[0, 0], pose[0, 1]))  # the face in the frame, over the canonical one
    while larger >= 2 * _FINE and min(gray.shape) > 1:
        size = (gray.shape[1] // 2, gray.shape[0] // 2)
        half = cv2.resize(gray[: 2 * size[1], : 2 * size[0]], size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(half, np.uint8)
        place[:, 2] += place[:, :2] @ (0.5, 0.5)  # the middle of four pixels
        place[:, :2] *= 2
        larger /= 2
    fine = 1 if larger < _FINE else 2
    place *= fine
    place[:, 2] += (fine - 1) / 2
    return warped(gray, place, SIZE, fine)


def in_frame(pose: Pose, places: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(n, 2) canonical pixels → pixels of the frame."""
    turn = pose[:, :2]
    # A similarity's inverse is its transpose over its scale squared; LAPACK would start threads for it.
    return np.asarray((places - pose[:, 2]) @ turn / (turn[0] @ turn[0]), np.float64)


def in_canonical(pose: Pose, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(n, 2) pixels of the frame → canonical pixels."""
    return np.asarray(points @ pose[:, :2].T + pose[:, 2], np.float64)


def corrected(pose: Pose, head: npt.NDArray[np.float64]) -> Pose:
    """The pose in which the head would not have moved since the neutral image."""
    middle = np.full(2, SIZE / 2)
    grown, turned = 1 + head[2] / FACE, head[3] / FACE
    back = np.array(((grown, turned), (-turned, grown))) / (grown**2 + turned**2)
    moved = np.empty((2, 3))  # np.column_stack takes longer than everything else here
    moved[:, :2] = back @ pose[:, :2]
    moved[:, 2] = middle + back @ (pose[:, 2] - middle - head[:2])
    return moved


def after(second: Pose, first: Pose) -> Pose:
    """(2, 3) what both poses do, one after the other."""
    turn = second[:, :2]
    return np.column_stack((turn @ first[:, :2], turn @ first[:, 2] + second[:, 2]))


def apart(one: Pose, other: Pose) -> float:
    """How far apart two poses take a face, pixels of a 256-px face."""
    moved = in_canonical(one, in_frame(other, LANDMARKS))
    return PX_256 * float(np.linalg.norm(moved - LANDMARKS, axis=1).max())
