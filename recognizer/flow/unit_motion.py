"""How far the place of each action unit has moved, measured in the face's flow: pixels, not probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recognizer.action_units import ACTION_UNITS, MIRROR, Bump
from recognizer.face import FaceGeometry
from recognizer.flow.engine import Field
from recognizer.units import HEAD, NUMBERS, UNITS

Points = npt.NDArray[np.float64]


def unit_motion(flow: Field, geometry: FaceGeometry) -> dict[str, tuple[float, float]]:
    """Code → motion on the person's left and right, in pixels of a face 256 px wide.

    ``flow``: (S, S, 2), of the face's crop. For a unit, the value is the component along the unit's
    direction, negative where its place moves the other way, after subtracting the median flow, which is the
    head's. For the head, it is the length of that median.
    """
    width, height = geometry.face.width, geometry.face.height
    # The crop is stretched to a square: each axis has a scale of its own.
    scale = np.array((256 / flow.shape[1], 256 / flow.shape[0] * height / width))
    moved = flow.astype(np.float64) * scale
    head = np.median(moved, axis=(0, 1))
    moved -= head
    corner = np.array((geometry.face.left, geometry.face.top))
    landmarks = (geometry.landmarks.astype(np.float64) - corner) / width
    rows = (np.arange(flow.shape[0]) + 0.5) / flow.shape[0] * height / width
    columns = (np.arange(flow.shape[1]) + 0.5) / flow.shape[1]
    found = {HEAD: (float(np.linalg.norm(head)),) * 2}
    for code, number in NUMBERS.items():
        bump = ACTION_UNITS[number].bumps[0]
        # The image's right is the person's left.
        outward = (1, 1) if bump.central else (1, -1)
        left, right = (_along(moved, rows, columns, landmarks, bump, side) for side in outward)
        found[code] = (left, right)
    return {code: found[code] for code in UNITS}


def _along(
    moved: npt.NDArray[np.float64], rows: Points, columns: Points, landmarks: Points, bump: Bump, side: int
) -> float:
    """The flow around a bump's centre, weighted towards it, along the bump's pull. Lengths: face widths."""
    anchor = bump.anchor if side < 0 or bump.central else [MIRROR[k] for k in bump.anchor]
    direction = np.array((1.0 if bump.central else side, 1.0))
    x, y = landmarks[list(anchor)].mean(axis=0) + direction * bump.shift
    across = np.exp(-2 * ((columns - x) / bump.radius[0]) ** 2)
    along = np.exp(-2 * ((rows - y) / bump.radius[1]) ** 2)
    total = along.sum() * across.sum()
    if total < 1e-6:  # the place is outside the image
        return 0.0
    # The weight is separable, so one axis is summed after the other; BLAS would start threads for it.
    mean = np.einsum("j,jc->c", across, np.einsum("i,ijc->jc", along, moved)) / total
    pull = direction * bump.pull
    return float(mean @ pull / np.linalg.norm(pull))
