"""Depth of the parts of a head: those nearer to the camera move further when it turns."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.landmarks import Landmarks
from training.rendering.head_motion import HeadShape
from training.rendering.script import ClipScript
from training.synthesis.motion_model import Field, face_width


def depth_of(landmarks: Landmarks, grid: npt.NDArray[np.float32], script: ClipScript) -> Field:
    """(H, W, 1) depth of each pixel towards the camera, in pixels.

    A head that turns by a small angle moves it sideways by depth × angle. The mean is subtracted, because the
    pose says where the head is as a whole.
    """
    unit = face_width(landmarks)
    if script.shape is not None:
        return relief(landmarks, grid, script.shape, script.seed)
    middle = landmarks[[36, 45, 48, 54]].mean(axis=0)
    across, along = ((grid - middle) / (np.array((0.62, 0.85), np.float32) * unit)).transpose(2, 0, 1)
    inside = np.clip(1 - across**2 - along**2, 0, 1)
    bulge = 0.55 * unit * np.sqrt(inside * (2 - inside))  # rounded at the rim: no crease
    face = cv2.boundingRect(landmarks)
    mean = bulge[face[1] : face[1] + face[3], face[0] : face[0] + face[2]].mean()
    field: Field = cv2.GaussianBlur(bulge - mean, None, 0.08 * unit)[..., None]
    return field


_RIM = 0.5
"""Face widths from the middle at which the face ends; everything further out has the same depth."""
_NOSE = (0.06, 0.11)
"""Half width and half length of a nose, face widths."""
_UNEVEN = 0.1
"""Face widths over which a head's unevenness is correlated."""


def relief(landmarks: Landmarks, grid: npt.NDArray[np.float32], shape: HeadShape, seed: int) -> Field:
    """``depth_of`` for a face with a nose, on a head whose sides recede."""
    unit = face_width(landmarks)
    field = unit * profile(landmarks, grid, shape)
    noise = np.random.default_rng((seed, 98)).standard_normal(field.shape)
    uneven = cv2.GaussianBlur(noise, None, _UNEVEN * unit)
    field += unit * shape.uneven / uneven.std() * uneven
    face = cv2.boundingRect(landmarks)
    field -= field[face[1] : face[1] + face[3], face[0] : face[0] + face[2]].mean()
    smooth: Field = cv2.GaussianBlur(field.astype(np.float32), None, 0.03 * unit)[..., None]
    return smooth


def profile(
    landmarks: Landmarks, points: npt.NDArray[np.float32], shape: HeadShape
) -> npt.NDArray[np.floating[Any]]:
    """(…,) depth of the image's (…, 2) ``points`` towards the camera, in face widths, without unevenness."""
    unit = face_width(landmarks)
    axis = (landmarks[15] - landmarks[1]) / unit
    apart = (points - landmarks[30]) / unit
    across = apart @ axis
    down = apart @ np.array((-axis[1], axis[0]), np.float32)
    nose = shape.nose * np.exp(-((across / _NOSE[0]) ** 2 + (down / _NOSE[1]) ** 2) / 2)
    return np.asarray(nose - shape.curve * np.minimum(across**2, _RIM**2))
