"""The face of one frame pair: levelled, cropped, and cut into the brow–mouth puzzle.

Paper §3.2.1 (align and crop) and §3.2.2 (HARS, the hand-crafted attention regions). The geometry is found
on the onset frame and applied to both frames, so that what moves between them is the face and not the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.landmarks import Landmarks

Gray = npt.NDArray[np.uint8]
"""(H, W) uint8."""

MIN_FACE_WIDTH = 48
"""Face width (φ1 to φ15), pixels, below which a micro-expression is smaller than the noise."""


class NoFaceError(AtmeError):
    """No face, or no usable face, in an image."""

    def __init__(self, message: str) -> None:
        super().__init__("no-face", message)


@dataclass(frozen=True)
class Box:
    """A rectangle of the levelled image, in pixels; may extend beyond the image."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True)
class FaceGeometry:
    """Where the face and its regions are, found on the onset frame."""

    rotation: npt.NDArray[np.float64]
    """(2, 3) affine: image → levelled image."""
    landmarks: Landmarks
    """(68, 2) in the levelled image."""
    face: Box
    left_brow: Box
    right_brow: Box
    mouth: Box


def locate(landmarks: Landmarks) -> FaceGeometry:
    """Levels the eye line and lays out the crop and the three regions (paper Eqs. 1–6).

    The paper detects the landmarks again after the rotation; FaceMesh handles roll by itself, so rotating the
    points gives the same result and saves a detection. Raises NoFaceError when the face is too small or the
    landmarks do not form an upright face.
    """
    eyes = landmarks[45] - landmarks[36]
    degrees = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    centre = (landmarks[36] + landmarks[45]) / 2
    rotation = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, 1.0)
    points = (landmarks @ rotation[:, :2].T + rotation[:, 2]).astype(np.float32)
    x, y = points[:, 0].astype(float), points[:, 1].astype(float)

    lift = ((y[38] - y[20]) + (y[43] - y[23])) / 2
    face = Box(x[1], y[19] - lift, x[15], y[8])
    if face.width < MIN_FACE_WIDTH:
        raise NoFaceError(
            f"the face is {max(face.width, 0):.0f} px wide, less than {MIN_FACE_WIDTH} px; come closer"
        )

    def brow(row: int, lid: int, first: int, last: int) -> Box:
        height, width = y[lid] - y[row], x[last] - x[first]
        return Box(x[first] - width / 4, y[row] - height / 4, x[last] + width / 4, y[lid] - height / 4)

    height, width = y[51] - y[33], x[54] - x[48]
    mouth = Box(x[48] - width / 4, y[51] - height / 2, x[54] + width / 4, y[57] + height / 2)
    geometry = FaceGeometry(rotation, points, face, brow(19, 37, 17, 21), brow(24, 44, 22, 26), mouth)
    for box in (geometry.left_brow, geometry.right_brow, mouth, face):
        if box.width < 4 or box.height < 4:
            raise NoFaceError("the face is turned too far or covered; look towards the camera")
    return geometry


def cut(image: Gray, geometry: FaceGeometry, box: Box, width: int, height: int) -> Gray:
    """The box of the levelled image as a (height, width) image; beyond the image, its edge is repeated."""
    shift = geometry.rotation.copy()
    shift[:, 2] -= (box.left, box.top)
    native = (max(round(box.width), 2), max(round(box.height), 2))
    piece = cv2.warpAffine(image, shift, native, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shrinks = native[0] >= width and native[1] >= height
    return np.asarray(
        cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC),
        np.uint8,
    )


def crop_face(image: Gray, geometry: FaceGeometry, size: int) -> Gray:
    """The whole face, (size, size): the image behind ``x_entire``."""
    return cut(image, geometry, geometry.face, size, size)


def puzzle(image: Gray, geometry: FaceGeometry, size: int) -> Gray:
    """Both brows side by side over the mouth, (size, size): the image behind ``x_puzzled``."""
    half = size // 2
    left = cut(image, geometry, geometry.left_brow, half, half)
    right = cut(image, geometry, geometry.right_brow, size - half, half)
    mouth = cut(image, geometry, geometry.mouth, size, size - half)
    return np.vstack([np.hstack([left, right]), mouth])
