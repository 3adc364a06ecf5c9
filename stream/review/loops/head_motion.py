"""Separates the head's motion within the steadied face, its turns and sway, from the skin's own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

_APART = 3
"""Cells of the field between the places that are used."""
_ROUNDS = 8
_FLOOR_PX = 0.06
"""Residuals up to this, pixels of the image, are noise."""
_CUT = 2.5
"""Standard deviations beyond which a place has its own motion (Tukey's biweight)."""
_MOBILE = 0.1
"""Trust in places that expressions move: mouth, jaw, cheeks, eyes and brows; forehead and nose have 1."""
_DEPTH = (1.25, 1.9)
"""Half axes of the ellipsoid that models a head, in half widths of the face: across and down."""
EYES, BROWS = (slice(36, 42), slice(42, 48)), (slice(17, 22), slice(22, 27))


class HeadMotion:
    """Fits each field by an affine motion and the parallax of an ellipsoid, robustly.

    A turn of the head moves parts nearer to the camera further. Four parameters for each direction cannot
    follow a single feature of the face, and a feature that moves alone is an outlier to the fit.
    """

    def __init__(self, points: Numbers, mask: Plane) -> None:
        """``points``: the (68, 2) landmarks in cells of the field; ``mask`` (H, W): 1 on the face."""
        rows, columns = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]]
        basis = _basis(columns, rows, points)
        self.basis: Plane = np.asarray(basis, np.float32)
        """(H, W, 4)."""
        looked = np.zeros(mask.shape, bool)
        looked[::_APART, ::_APART] = True
        self._where = looked & (mask > 0.5)
        self._trust = _trust(points, columns[self._where], rows[self._where])
        self._at = basis[self._where]

    def fit(self, field: Plane) -> Numbers:
        """(4, 2): the head's part of a (H, W, 2) field in pixels, to be multiplied by ``basis``."""
        found = field[self._where].astype(np.float64)
        weight = self._trust
        part: Numbers = np.zeros((4, 2))
        if len(found) < 4:
            return part
        for _ in range(_ROUNDS):
            weighted = self._at * weight[:, None]
            normal = self._at.T @ weighted + 1e-3 * np.eye(4)
            part = np.asarray(np.linalg.solve(normal, weighted.T @ found), np.float64)
            off = np.hypot(*(found - self._at @ part).T)
            trusted = off[self._trust > 0.5]
            scale = 1.4826 * float(np.median(trusted if len(trusted) else off)) + _FLOOR_PX
            weight = self._trust * np.maximum(1 - (off / (_CUT * scale)) ** 2, 0) ** 2
        return part


def _basis(x: Numbers, y: Numbers, points: Numbers) -> Numbers:
    """(…, 4): 1, across, down, and how near to the camera the head is there."""
    middle = (points[36:48].mean(axis=0) + points[33]) / 2
    half = np.linalg.norm(points[16] - points[0]) / 2
    across, down = (x - middle[0]) / half, (y - middle[1]) / half
    near = np.sqrt(np.maximum(1 - (across / _DEPTH[0]) ** 2 - (down / _DEPTH[1]) ** 2, 0.02))
    return np.stack([np.ones_like(across), across, down, near], axis=-1)


def _trust(points: Numbers, x: Numbers, y: Numbers) -> Numbers:
    eyes, width = points[36:48, 1].mean(), np.linalg.norm(points[16] - points[0])
    trust = np.where(y > eyes + 0.3 * (points[33, 1] - eyes), _MOBILE, 1.0)
    on_nose = (np.abs(x - points[27:31, 0].mean()) < 0.09 * width) & (y < points[30, 1])
    trust = np.where(on_nose, 1.0, trust)
    for eye in EYES:
        middle, reach = points[eye].mean(axis=0), 0.8 * np.ptp(points[eye, 0])
        trust = np.where(np.hypot(x - middle[0], y - middle[1]) < reach, _MOBILE, trust)
    for brow in BROWS:
        middle, reach = points[brow].mean(axis=0), 0.6 * np.ptp(points[brow, 0])
        beside, below = np.abs(x - middle[0]) < 1.2 * reach, y - middle[1]
        trust = np.where(beside & (below > -reach) & (below < 0.5 * reach), _MOBILE, trust)
    return trust
