"""Finds the 68 face landmarks in an image: MediaPipe's face mesh, mapped to dlib's order.

To use another detector, replace it here and nowhere else. MediaPipe itself does not run: its two networks do,
in ONNX Runtime and on the calling thread (`recognizer/face_networks/`), the mesh on a crop of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.face_networks.detector import FaceDetector, FoundFace
from recognizer.face_networks.mesh import SIDE, FaceMesh

Image = npt.NDArray[np.uint8]
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

_OUTER_EYES = (33, 263)
_MARGIN = 1.5
"""Side of the crop, as a multiple of the longer side of the face's box; MediaPipe trained with this value."""
_LOOK = 1280
"""The face detector works at 128 px; an image larger than this is shrunk before it is passed on."""
_SURELY_UPRIGHT = 0.9
"""A face found with at least this score is not searched for upside down."""
_UPSIDE_DOWN = 0.05
"""In an upside-down image the detector takes mouth and brows for eyes and mouth, but with a score that is
.1 to .3 lower than for the image turned upright. A difference of this size decides."""
_NEARER = 1.3
"""How many times wider another face must be for ``look_around`` to switch to it."""


@dataclass(frozen=True)
class _Region:
    """A square of the image around a face, rotated with it; pixels, radians."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3) crop → image."""
        cos, sin = np.cos(self.angle) * self.side / SIDE, np.sin(self.angle) * self.side / SIDE
        turn = np.array(((cos, -sin), (sin, cos)))
        return np.column_stack((turn, (self.x, self.y) - turn @ (SIDE / 2, SIDE / 2)))

    def turned_about(self, width: int, height: int) -> _Region:
        """The same square in the image turned by 180 degrees."""
        return _Region(width - self.x, height - self.y, self.side, self.angle + np.pi)


class Landmarker:
    """Finds one face's landmarks; where there are several, the nearest (widest) face's.

    ``tracking=True`` follows the face from call to call (about 2 ms a frame); ``False`` searches each
    image anew, so that the result depends on that image alone. Not safe to share between threads.
    """

    def __init__(self, tracking: bool = False, min_confidence: float = 0.5) -> None:
        self._tracking = tracking
        self._confidence = min_confidence
        self._region: _Region | None = None
        self._networks: tuple[FaceDetector, FaceMesh] | None = FaceDetector(), FaceMesh()
        self.faces = 0
        """Number of faces when the whole image was last searched."""

    def detect(self, image: Image) -> Landmarks | None:
        """(68, 2) landmarks of the nearest face in a BGR uint8 image; None where there is none."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise AtmeError(
                "invalid",
                f"an image must be BGR, uint8, height × width × 3; this one is {image.dtype} {image.shape}",
            )
        if self._tracking and self._region is not None:
            # A lost face is not searched for at once: the one found might be another.
            return self._mesh(image, self._region)
        regions = self._find(image)
        return self._mesh(image, regions[0]) if regions else None

    def look_around(self, image: Image) -> bool:
        """Counts the faces in an image, and switches to one that is much nearer than the one being followed.

        Returns True after a switch: the next ``detect`` finds another face.
        """
        followed = self._region
        regions = self._find(image)
        if followed is None or not regions:
            return False
        nearest = regions[0]
        apart = np.hypot(nearest.x - followed.x, nearest.y - followed.y) > followed.side / _MARGIN / 2
        if apart and nearest.side > _NEARER * followed.side:
            self._region = nearest
            return True
        return False

    def reset(self) -> None:
        """Forgets the face it followed."""
        self._region = None

    def close(self) -> None:
        """Frees the networks; may be called more than once."""
        self._networks = None

    def _open(self) -> tuple[FaceDetector, FaceMesh]:
        if self._networks is None:
            raise ValueError("this Landmarker has been closed")
        return self._networks

    def _find(self, image: Image) -> list[_Region]:
        """Regions for the mesh, the widest face first; also in an image that is upside down."""
        height, width = image.shape[:2]
        shrink = max(height, width) / _LOOK
        if shrink > 1:
            size = (round(width / shrink), round(height / shrink))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        score, found = self._detected(image, max(shrink, 1))
        if score < _SURELY_UPRIGHT:
            upside_down = np.asarray(cv2.flip(image, -1), np.uint8)  # NumPy takes fifty times as long
            better, turned = self._detected(upside_down, max(shrink, 1))
            if better > score + _UPSIDE_DOWN:
                found = [region.turned_about(width, height) for region in turned]
        self.faces = len(found)
        return sorted(found, key=lambda region: -region.side)

    def _detected(self, image: Image, scale: float) -> tuple[float, list[_Region]]:
        """The best score (0 without a face), and the faces in pixels of an image ``scale`` times as large."""
        detector, _ = self._open()
        faces = detector.find(image, self._confidence)
        return max((face.score for face in faces), default=0.0), [_region(face, scale) for face in faces]

    def _mesh(self, image: Image, region: _Region) -> Landmarks | None:
        """Landmarks within a region, and the region for the next image; None (and no region) without a
        face."""
        _, network = self._open()
        matrix = region.matrix()
        crop = cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        points, presence = network.points(np.asarray(crop, np.uint8))
        if presence < self._confidence:
            self._region = None
            return None
        mesh = points @ matrix[:, :2].T + matrix[:, 2]
        low, high = mesh.min(axis=0), mesh.max(axis=0)
        eyes = mesh[_OUTER_EYES[1]] - mesh[_OUTER_EYES[0]]
        x, y = (low + high) / 2
        side = _MARGIN * float((high - low).max())
        self._region = _Region(float(x), float(y), side, float(np.arctan2(eyes[1], eyes[0])))
        return np.asarray(mesh[MESH_INDEX], np.float32)


def _region(face: FoundFace, scale: float) -> _Region:
    """From a detection's box and eyes; ``scale``: size of the image relative to the detector's."""
    left, top, right, bottom = (scale * place for place in face.box)
    (ax, ay), (bx, by) = face.eyes
    return _Region(
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        side=_MARGIN * max(right - left, bottom - top),
        angle=float(np.arctan2(by - ay, bx - ax)),
    )


def eye_opening(landmarks: Landmarks) -> float:
    """Eye aspect ratio (Soukupová & Čech 2016), mean of both eyes: about .3 open, under .15 closed."""

    def ratio(k: int) -> float:
        eye = landmarks[k : k + 6]
        height = np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])
        return float(height / (2 * np.linalg.norm(eye[0] - eye[3])))

    return (ratio(36) + ratio(42)) / 2
