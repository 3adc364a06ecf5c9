"""Closes the eyes of a portrait.

A lid does not squeeze the eye as the small movements of `motion_model` would: it slides over the eyeball
and hides it. So the skin between brow and lid margin is pulled down like a blind, with margin and lashes,
and the eye below the margin stays as it is; the lower lid comes up a little in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.action_units import Bump
from training.synthesis.motion_model import Field, bump_field, face_width

EYES = ((range(36, 42), range(17, 22)), (range(42, 48), range(22, 27)))
"""The landmarks of each eye and of the brow above it."""
LOWER_SHARE = 0.1
"""Fraction of the distance to the closed eye that the lower lid covers."""

_NOSE_ROOT = Bump((27, 28), (0.0, 0.0), (0.0, 0.9), (0.16, 0.09), central=True)
_UNDER_EYE = Bump((41,), (0.03, 0.08), (0.0, 4.2), (0.09, 0.06))
DRAGGED = ((_NOSE_ROOT, "central", 1 / 256), (_UNDER_EYE, "left", 1 / 256), (_UNDER_EYE, "right", 1 / 256))
"""The skin that goes down with closing lids; pulls in pixels of a 256-px face, as ``benchmarks.blinks``
measures it in recordings of people."""


@dataclass(frozen=True)
class Eyelids:
    """One eye's region in a portrait: which pixels, and where its lids are."""

    rows: slice
    columns: slice
    below: npt.NDArray[np.float32]
    """(h, w) how many pixels each pixel of the region is below the line through the eye's corners."""
    down: npt.NDArray[np.float32]
    """(2,) unit vector: which way ``below`` grows."""
    upper: npt.NDArray[np.float32]
    """(h, w) position of the open upper lid's margin there, on the scale of ``below``."""
    lower: npt.NDArray[np.float32]
    """The same of the lower lid."""
    reach: float
    """Pixels of skin beyond each margin that move with it."""
    overlap: float
    """Pixels by which closed lids overlap, so that slightly wrong landmarks leave no gap."""


def find_eyelids(landmarks: npt.NDArray[np.float32], shape: tuple[int, int]) -> tuple[Eyelids, ...]:
    """Both eyes in an image of ``shape`` (H, W) with these (68, 2) landmarks; eyes outside it are left
    out."""
    unit = face_width(landmarks)
    eyes = (_find_eye(landmarks[list(eye)], landmarks[list(brow)], unit, shape) for eye, brow in EYES)
    return tuple(eye for eye in eyes if eye.below.size)


def _find_eye(
    points: npt.NDArray[np.float32], brow: npt.NDArray[np.float32], unit: float, shape: tuple[int, int]
) -> Eyelids:
    left, right = points[0], points[3]
    length = float(np.linalg.norm(right - left))
    across = (right - left) / length
    down = np.array((-across[1], across[0]), np.float32)
    margin = 0.16 * unit
    x0, y0 = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(points.max(axis=0) + margin), shape[::-1]).astype(int)
    ys, xs = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    along = (xs - left[0]) * across[0] + (ys - left[1]) * across[1]
    below = (xs - left[0]) * down[0] + (ys - left[1]) * down[1]
    upper, lower = (
        _margin(points[order] - left, across, down, along, length) for order in ([0, 1, 2, 3], [0, 5, 4, 3])
    )
    # The brow stays where it is; a frown leaves little skin between.
    reach = float(np.clip((points[1:3].mean(axis=0) - brow.mean(axis=0)) @ down, 0.06 * unit, 0.12 * unit))
    place = slice(y0, y1), slice(x0, x1)
    return Eyelids(*place, below, down, upper, lower, reach=reach, overlap=0.012 * unit)


def _margin(
    points: npt.NDArray[np.float32],
    across: npt.NDArray[np.float32],
    down: npt.NDArray[np.float32],
    along: npt.NDArray[np.float32],
    length: float,
) -> npt.NDArray[np.float32]:
    """A lid's margin as a cubic through its four landmarks, level beyond the corners."""
    curve = np.polyfit(points @ across, points @ down, 3)
    return np.polyval(curve, np.clip(along, 0, length)).astype(np.float32)


def close_eyes(
    image: npt.NDArray[np.float32], eyes: tuple[Eyelids, ...], closure: float
) -> npt.NDArray[np.float32]:
    """A copy of the float32 BGR portrait with its lids lowered by ``closure``: 0 open, 1 closed."""
    closed = image.copy()
    for eye in eyes:
        opening = np.maximum(eye.lower - eye.upper, 0)
        # The overlap fades out at the corners, where the lids meet anyway; skin does not shear sharply there.
        travel = closure * (opening + np.minimum(eye.overlap, 0.5 * opening))
        travel = cv2.GaussianBlur(travel, None, 0.15 * eye.reach)
        place = closed[eye.rows, eye.columns]
        skin = place.copy()
        lower, upper = LOWER_SHARE * travel, (1 - LOWER_SHARE) * travel
        _draw_lid(place, skin, eye, eye.below - eye.lower + lower, lower, eye.down)
        _draw_lid(place, skin, eye, eye.upper + upper - eye.below, upper, -eye.down)
    return closed


def _draw_lid(
    place: npt.NDArray[np.float32],
    skin: npt.NDArray[np.float32],
    eye: Eyelids,
    inside: npt.NDArray[np.float32],
    travel: npt.NDArray[np.float32],
    back: npt.NDArray[np.float32],
) -> None:
    """Paints one lid over ``place``: the part of ``skin`` that ``back`` says has moved here.

    ``inside``: pixels from the moved margin into the lid; ``travel``: pixels that the margin has moved. The
    pull fades with a raised cosine that ends ``reach`` beyond the open margin: too gently to fold the skin,
    unless the lid travels 1.75 times its reach.
    """
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip(inside / (eye.reach + travel), 0, 1))
    pull = travel * fade
    ys, xs = np.mgrid[0 : place.shape[0], 0 : place.shape[1]].astype(np.float32)
    lid = cv2.remap(
        skin, xs + pull * back[0], ys + pull * back[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    cover = np.clip(inside + 0.5, 0, 1)[..., None] * (travel > 0)[..., None]
    place += cover * (lid - place)


def lid_drag(landmarks: npt.NDArray[np.float32], shape: tuple[int, int]) -> Field:
    """How closed lids drag the skin around them, on an image of ``shape`` (H, W)."""
    return bump_field(landmarks, DRAGGED, shape)
