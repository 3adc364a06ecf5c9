"""A portrait with its landmarks, cropped and scaled: the face that a rendered clip moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.action_units import MIRROR
from recognizer.errors import AtmeError
from recognizer.files.image import read_image
from recognizer.landmarks import Landmarker, Landmarks
from training.rendering.head_motion import FACE_WIDTH
from training.synthesis.motion_model import face_width

Image = npt.NDArray[np.uint8]
"""BGR uint8, height × width × 3."""

_BUILTIN = Path(__file__).with_name("portrait.webp")
SMALLEST_FACE = 100
"""Pixels from φ1 to φ15 below which an enlarged face has too little texture to show small motion."""


@dataclass(frozen=True)
class Portrait:
    """An image with one face, and its landmarks."""

    image: Image
    landmarks: Landmarks

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image.shape[0], self.image.shape[1]

    def mirrored(self) -> Portrait:
        """Its mirror image."""
        right = self.image.shape[1] - 1
        landmarks = np.column_stack((right - self.landmarks[:, 0], self.landmarks[:, 1]))[MIRROR]
        return Portrait(np.ascontiguousarray(self.image[:, ::-1]), landmarks)


def load_portrait(path: Path | None = None, size: tuple[int, int] = (640, 480)) -> Portrait:
    """An image of ``size`` (width, height) with the face in its middle, at least half as wide as it is high.

    Without a path it is NASA's photograph of Eileen Collins, public domain.
    Raises AtmeError where the file is not an image, or shows no face or one less than 100 px wide.
    """
    if path is None:
        # Small, but it enlarges well.
        return portrait_from(read_image(_BUILTIN), "the built-in portrait", size, smallest=0)
    return portrait_from(read_image(path), str(path), size)


def portrait_from(
    image: Image, name: str, size: tuple[int, int] = (640, 480), smallest: float = SMALLEST_FACE
) -> Portrait:
    """The same for a BGR uint8 image; ``name`` is what errors call it."""
    landmarker = Landmarker(tracking=False)
    try:
        found = _find_face(landmarker, image, name)
        if face_width(found) < smallest:
            raise AtmeError(
                "no-face",
                f"the face in {name} is {face_width(found):.0f} px wide; choose an image where it is at "
                f"least {SMALLEST_FACE} px",
            )
        fitted = _fit(image, found, size)
        return Portrait(fitted, _find_face(landmarker, fitted, f"{name}, cropped to {size[0]}×{size[1]}"))
    finally:
        landmarker.close()


def _find_face(landmarker: Landmarker, image: Image, name: str) -> Landmarks:
    found = landmarker.detect(image)
    if found is None:
        raise AtmeError(
            "no-face", f"no face found in {name}; choose a frontal portrait that fills most of the image"
        )
    return found


def _fit(image: Image, landmarks: Landmarks, size: tuple[int, int]) -> Image:
    """Crops and scales. A tight portrait is enlarged until it fills the height; only its sides are
    mirrored."""
    width, height = size
    scale = max(FACE_WIDTH / 480 * height / face_width(landmarks), height / image.shape[0])
    centre = (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2 * scale
    if scale < 1:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    enlarge = max(scale, 1.0)
    left = width / 2 - centre[0]
    top = np.clip(0.54 * height - centre[1], height - enlarge * image.shape[0], 0)  # hair needs most room
    matrix = np.array(((enlarge, 0, left), (0, enlarge, top)))
    fitted = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if scale > 1:  # softens the old pixels' edges
        fitted = cv2.GaussianBlur(fitted, None, 0.4 * scale)
    return np.asarray(fitted, np.uint8)
