"""Finds faces in an image with MediaPipe's short-range detector (BlazeFace, arXiv:1907.05047)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face_networks.files import DETECTOR, open_face_network

Floats = npt.NDArray[np.float32]

_SIDE = 128
"""Side of the network's input, in pixels."""
_GRIDS = ((16, 2), (8, 6))
"""Cells along a side, and how many boxes each cell proposes: 896 in all."""
_EYES = slice(4, 8)
"""Places of both eyes in a proposal of 16 numbers: the box, then x and y of eyes, nose, mouth and ears."""
_SAME_FACE = 0.3
"""Intersection over union above which two proposals are the same face."""


@dataclass(frozen=True)
class FoundFace:
    """One detected face; pixels of the image."""

    score: float
    """0 to 1."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom."""
    eyes: tuple[tuple[float, float], tuple[float, float]]
    """The eye on the image's left comes first."""


class FaceDetector:
    """Not safe to share between threads."""

    def __init__(self) -> None:
        """AtmeError where the network is not on this machine."""
        self._session = open_face_network(DETECTOR)

    def find(self, image: npt.NDArray[np.uint8], least: float) -> list[FoundFace]:
        """Faces with a score of at least ``least`` in a BGR uint8 image (H, W, 3), highest score first."""
        height, width = image.shape[:2]
        square = max(height, width)
        left, top = (square - width) / 2, (square - height) / 2
        small = _shrunk(image, square, left, top)
        # -1 to 1, RGB
        blob = cv2.dnn.blobFromImage(small, 2 / 255, mean=(127.5, 127.5, 127.5), swapRB=True)
        raw, logits = self._session.run(["regressors", "classificators"], {"image": blob})
        faces = _merged(*_proposals(raw[0], logits[0, :, 0], least))
        return [
            FoundFace(
                float(score),
                (x0 * square - left, y0 * square - top, x1 * square - left, y1 * square - top),
                ((ax * square - left, ay * square - top), (bx * square - left, by * square - top)),
            )
            for score, (x0, y0, x1, y1, ax, ay, bx, by) in faces
        ]


def _shrunk(image: npt.NDArray[np.uint8], square: int, left: float, top: float) -> npt.NDArray[np.uint8]:
    """(128, 128, 3): the image, scaled, on black. Placed by its corners, so that it rounds as MediaPipe
    does."""
    corners = np.array(((0, 1), (0, 0), (1, 0), (1, 1)), np.float32)
    before = corners * square - np.array((left, top), np.float32)
    matrix = cv2.getPerspectiveTransform(before, corners * _SIDE)
    return np.asarray(cv2.warpPerspective(image, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def _centres() -> Floats:
    """(896, 2) x and y of each proposal's cell, as fractions of the square."""
    grids = []
    for cells, proposals in _GRIDS:
        y, x = np.mgrid[:cells, :cells]
        grid = (np.stack((x, y), axis=-1).reshape(-1, 2) + 0.5) / cells
        grids.append(np.repeat(grid, proposals, axis=0))
    return np.asarray(np.concatenate(grids), np.float32)


_CENTRES = _centres()


def _proposals(raw: Floats, logits: Floats, least: float) -> tuple[Floats, Floats]:
    """Scores (n,) in descending order, and (n, 8) corners and eyes as fractions of the square."""
    scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    likely = np.flatnonzero((scores >= least) & (raw[:, 2] >= 0) & (raw[:, 3] >= 0))
    likely = likely[np.argsort(-scores[likely], kind="stable")]
    middle = raw[likely, :2] / _SIDE + _CENTRES[likely]
    half = raw[likely, 2:4] / _SIDE / 2
    eyes = raw[likely, _EYES] / _SIDE + np.tile(_CENTRES[likely], 2)
    places = np.concatenate((middle - half, middle + half, eyes), axis=1)
    return np.asarray(scores[likely], np.float32), np.asarray(places, np.float32)


def _merged(scores: Floats, places: Floats) -> list[tuple[float, Floats]]:
    """One entry per face: the mean of its proposals, weighted by score, and the highest of their scores."""
    faces = []
    while len(scores):
        same = _overlap(places[0], places) > _SAME_FACE
        same[0] = True
        faces.append((scores[0], np.average(places[same], axis=0, weights=scores[same])))
        scores, places = scores[~same], places[~same]
    return faces


def _overlap(place: Floats, places: Floats) -> Floats:
    """Intersection over union of one box with each of several."""
    low, high = np.maximum(place[:2], places[:, :2]), np.minimum(place[2:4], places[:, 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(places[:, 2:4] - places[:, :2], axis=1)
    whole = np.prod(place[2:4] - place[:2]) + areas - shared
    return np.asarray(shared / np.maximum(whole, 1e-12), np.float32)
