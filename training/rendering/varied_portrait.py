"""Many people from one portrait: mirrored, narrower or longer, in other light.

Few free portraits are available. What a spotter measures depends on a face's texture and
proportions, and this changes both; the landmarks follow exactly.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.rendering.portrait import Portrait

_STRETCH = 0.05
"""Standard deviation of the logarithm of width and height."""
_SHEAR = 0.02
_TILT = 0.03
"""Radians, standard deviation: heads are rarely quite upright."""
_GAMMA = 0.25
"""Standard deviation of the logarithm of the exponent on grey levels."""
_CONTRAST = (0.75, 1.15)


def varied(portrait: Portrait, rng: np.random.Generator) -> Portrait:
    """A random variation of the face, of the same size."""
    if rng.random() < 0.5:
        portrait = portrait.mirrored()
    image, landmarks = portrait.image, portrait.landmarks
    height, width = portrait.shape
    stretch = np.diag(np.exp(rng.normal(0, _STRETCH, 2)))
    stretch[0, 1] = rng.normal(0, _SHEAR)
    angle = rng.normal(0, _TILT)
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))) @ stretch
    centre = landmarks.mean(axis=0)
    matrix = np.column_stack((turn, centre - turn @ centre))
    image = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, _GAMMA))
    levels = np.clip(128 + 255 * (levels - 0.5) * rng.uniform(*_CONTRAST), 0, 255)
    toned = cv2.LUT(image, np.rint(levels).astype(np.uint8))
    moved = landmarks @ matrix[:, :2].T + matrix[:, 2]
    return Portrait(np.asarray(toned, np.uint8), np.asarray(moved, np.float32))
