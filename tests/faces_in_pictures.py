"""Images of a public-domain portrait that any machine makes alike, for what was measured elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.data import astronaut

from recognizer.landmarks import Image


def portrait() -> Image:
    """512 × 512 BGR."""
    return np.ascontiguousarray(astronaut()[..., ::-1])


def small() -> Image:
    """As a webcam's corner: the head 45 px wide, in 160 × 120."""
    return np.asarray(cv2.resize(portrait()[:384, :], (160, 120), interpolation=cv2.INTER_AREA), np.uint8)


def tilted() -> Image:
    """The head turned to its shoulder, in an image twice as wide as high."""
    turn = cv2.getRotationMatrix2D((224, 110), 25, 1.5)
    turn[:, 2] += (160, 60)
    return np.asarray(cv2.warpAffine(portrait(), turn, (800, 400)), np.uint8)


def group() -> Image:
    """Three faces, the nearest at the right; the smallest is too far away for the detector."""
    scene = np.full((480, 640, 3), 90, np.uint8)
    for left, top, side in ((0, 180, 220), (230, 0, 160), (380, 150, 260)):
        head = cv2.resize(portrait()[20:230, 120:330], (side, side), interpolation=cv2.INTER_AREA)
        scene[top : top + side, left : left + side] = head
    return scene


def empty() -> Image:
    """Nobody."""
    return np.ascontiguousarray(portrait()[380:, :130])


PICTURES = {"portrait": portrait, "small": small, "tilted": tilted, "group": group, "empty": empty}
