"""Transfers the motion of one face to the frames of another, placed by its landmarks, at any strength."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.flow.engine import Field
from recognizer.landmarks import Landmarks
from training.rendering.clip import inverse
from training.spotting.filmed.motion import SIDE, STEP, Donor, face_mask, level, moved

Image = npt.NDArray[np.uint8]

_SHAPE = (*range(0, 17, 2), *range(17, 27), 27, 30, 31, 33, 35, 36, 39, 42, 45, 48, 51, 54, 57)
"""Landmarks by which one face is mapped to another; lids and inner lips move too much by themselves."""
_COARSE = 16
"""Pixels between the places at which the mapping between faces is computed; it is interpolated in between."""
_STILL = 1 / 64
"""Pixels: half of the step to which OpenCV rounds coordinates."""


def field_on(donor: Donor, landmarks: Landmarks) -> Field:
    """(SIDE / STEP, SIDE / STEP, 2) the donor's motion on a face with these landmarks in its level image.

    Its greatest length is 1; it fades to nothing beside the face.
    """
    from scipy.interpolate import RBFInterpolator

    shape = list(_SHAPE)
    way = RBFInterpolator(landmarks[shape], donor.landmarks[shape], kernel="thin_plate_spline")
    knots = np.linspace(0, SIDE - STEP, SIDE // _COARSE + 1)
    places = way(np.dstack(np.meshgrid(knots, knots)).reshape(-1, 2)).reshape(len(knots), len(knots), 2)
    index = np.linspace(0, len(knots) - 1, SIDE // STEP, dtype=np.float32)
    across, down = np.meshgrid(index, index)
    places = cv2.remap((places / STEP).astype(np.float32), across, down, cv2.INTER_LINEAR)
    field = cv2.remap(donor.field, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    field = field * face_mask(landmarks, STEP)[..., None]
    return np.asarray(field / max(float(np.linalg.norm(field, axis=2).max()), 1e-6), np.float32)


def with_motion(image: Image, landmarks: Landmarks, motions: Sequence[tuple[Donor, float]]) -> Image:
    """A BGR frame of a face with these landmarks while the donors' motions work on it.

    ``motions``: each with its greatest displacement, pixels of a 256-px face. With none, or zeros, the result
    is the frame itself; so is everything beside the face.
    """
    working = [(donor, peak) for donor, peak in motions if peak]
    if not working:
        return image
    pose = level(landmarks)
    there = moved(pose, landmarks)
    parts = [peak * field_on(donor, there) for donor, peak in working]
    field = np.asarray(np.sum(parts, axis=0, dtype=np.float32))
    to_frame = cv2.invertAffineTransform(pose)
    rows, columns = _box(to_frame, field, image.shape[1], image.shape[0])
    grid = np.dstack(np.meshgrid(np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop)))
    grid = grid.astype(np.float32)
    # The field at each pixel's place in the level image, its vectors rotated and scaled to the frame.
    here = cv2.remap(
        field, cv2.transform(grid, pose) / STEP, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    back = inverse(np.asarray(here @ to_frame[:, :2].T.astype(np.float32)), grid - grid[0, 0])
    # Lanczos' kernel keeps most of the sensor's noise; what does not move stays the same, bit for bit.
    warped = cv2.remap(image, grid + back, None, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    still = np.abs(back).max(axis=2, keepdims=True) < _STILL
    result = image.copy()
    result[rows, columns] = np.where(still, image[rows, columns], warped)
    return result


def _box(to_frame: npt.NDArray[np.float64], field: Field, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of the frame in which something moves."""
    x, y, across, down = cv2.boundingRect((np.abs(field).max(axis=2) > _STILL).astype(np.uint8))
    corners = STEP * np.array(((x, y), (x + across, y), (x + across, y + down), (x, y + down)), np.float32)
    corners = moved(to_frame, corners)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))
