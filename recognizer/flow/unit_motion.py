"""How far the place of each action unit has moved, measured in the face's flow: pixels, not probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recognizer.action_units import ACTION_UNITS, MIRROR, Bump
from recognizer.face import FaceGeometry
from recognizer.flow.engine import Field
from recognizer.units import HEAD, NUMBERS, UNITS

Floats = npt.NDArray[np.float64]

_BUMPS = [ACTION_UNITS[number].bumps[0] for number in NUMBERS.values()]
_PLACES: list[tuple[Bump, int]] = [
    # The image's right is the person's left.
    *((bump, 1) for bump in _BUMPS),
    *((bump, 1 if bump.central else -1) for bump in _BUMPS),
]
"""The bump of each of ``NUMBERS`` on the person's left, then on the right; 1: on the image's right."""


def _anchors() -> Floats:
    """(places, 68) the weights of the landmarks whose mean is a place's anchor."""
    weights = np.zeros((len(_PLACES), len(MIRROR)))
    for row, (bump, side) in zip(weights, _PLACES, strict=True):
        at = [k if side < 0 or bump.central else MIRROR[k] for k in bump.anchor]
        row[at] = 1 / len(at)
    return weights


_ANCHORS = _anchors()
_WAYS = np.array([(1.0 if bump.central else side, 1.0) for bump, side in _PLACES])
_SHIFTS = _WAYS * [bump.shift for bump, _ in _PLACES]
_PULLS = _WAYS * [np.divide(bump.pull, np.linalg.norm(bump.pull)) for bump, _ in _PLACES]
_RADII = np.array([bump.radius for bump, _ in _PLACES])


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
    corner = np.array((geometry.face.left, geometry.face.top))
    landmarks = (geometry.landmarks.astype(np.float64) - corner) / width
    rows = (np.arange(flow.shape[0]) + 0.5) / flow.shape[0] * height / width
    columns = (np.arange(flow.shape[1]) + 0.5) / flow.shape[1]
    left, right = np.split(_along_pulls(moved - head, rows, columns, landmarks), 2)
    sides = dict(zip(NUMBERS, zip(left.tolist(), right.tolist(), strict=True), strict=True))
    sides[HEAD] = (float(np.linalg.norm(head)),) * 2
    return {code: sides[code] for code in UNITS}


def _along_pulls(moved: Floats, rows: Floats, columns: Floats, landmarks: Floats) -> Floats:
    """(places,) the flow around each place, weighted towards it, along the bump's pull. Lengths: face
    widths."""
    x, y = (np.einsum("kl,lc->kc", _ANCHORS, landmarks) + _SHIFTS).T[..., None]
    across = np.exp(-2 * ((columns - x) / _RADII[:, :1]) ** 2)
    along = np.exp(-2 * ((rows - y) / _RADII[:, 1:]) ** 2)
    total = along.sum(axis=1) * across.sum(axis=1)
    # The weight is separable, so one axis is summed after the other; BLAS would start threads for it.
    pulled = np.einsum("kj,kjc,kc->k", across, np.einsum("ki,ijc->kjc", along, moved), _PULLS)
    outside = total < 1e-6  # of the image
    return np.where(outside, 0.0, pulled / np.where(outside, 1.0, total))
