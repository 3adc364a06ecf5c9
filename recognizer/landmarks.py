"""Finds the 68 face landmarks in a picture: MediaPipe FaceMesh, mapped to dlib's order.

The only module that knows MediaPipe; another detector replaces it here and nowhere else.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError

Landmarks = npt.NDArray[np.float32]
"""(68, 2) float32, pixels (x right, y down), dlib order: 0–16 jaw, 17–21 and 22–26 brows, 27–30 nose
bridge, 31–35 nostrils, 36–41 and 42–47 eyes, 48–59 outer and 60–67 inner lip. "Left" is the image's left."""

# Which of FaceMesh's 468 points stands for each of the 68, by part of the face.
MESH_INDEX = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
        *(70, 63, 105, 66, 107),  # left brow, outer to inner
        *(336, 296, 334, 293, 300),  # right brow, inner to outer
        *(168, 197, 5, 4),  # nose bridge, top to tip
        *(75, 97, 2, 326, 305),  # nostrils
        *(33, 160, 158, 133, 153, 144),  # left eye: outer corner, upper lid, inner corner, lower lid
        *(362, 385, 387, 263, 373, 380),  # right eye: inner corner, upper lid, outer corner, lower lid
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lip, from the left corner, clockwise
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lip
    ]
)


class Landmarker:
    """Finds one face's landmarks.

    ``tracking=True`` follows the face from call to call (about 2 ms a frame); ``False`` looks at each
    picture afresh, so that the result depends on that picture alone. Not safe to share between threads.
    """

    def __init__(self, tracking: bool = False, min_confidence: float = 0.5) -> None:
        self._options = {
            "static_image_mode": not tracking,
            "max_num_faces": 1,
            "min_detection_confidence": min_confidence,
            "min_tracking_confidence": min_confidence,
        }
        self._mesh = self._open()

    def _open(self) -> Any:
        from mediapipe.python.solutions.face_mesh import FaceMesh

        return FaceMesh(**self._options)

    def detect(self, image: npt.NDArray[np.uint8]) -> Landmarks | None:
        """(68, 2) landmarks of the most prominent face in a BGR uint8 picture; None where there is none."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise AtmeError(
                f"a picture must be BGR, uint8, height × width × 3; this one is {image.dtype} {image.shape}"
            )
        found = self._mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        if not found:
            return None
        points = found[0].landmark
        height, width = image.shape[:2]
        return np.array([(points[i].x * width, points[i].y * height) for i in MESH_INDEX], np.float32)

    def reset(self) -> None:
        """Forgets the face it followed."""
        self.close()
        self._mesh = self._open()

    def close(self) -> None:
        """Frees the native graph; once is enough, more does no harm."""
        if self._mesh is not None:
            self._mesh.close()
            self._mesh = None
