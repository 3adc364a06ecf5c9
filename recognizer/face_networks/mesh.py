"""MediaPipe's face mesh: 468 points of a face that fills a square crop."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face_networks.files import MESH, open_face_network

SIDE = 192
"""Side of the crop, in pixels."""
_POINTS, _PRESENCE = "conv2d_21", "conv2d_31"


class FaceMesh:
    """Not safe to share between threads."""

    def __init__(self) -> None:
        """AtmeError where the network is not on this machine."""
        self._session = open_face_network(MESH)

    def points(self, crop: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], float]:
        """BGR crop, ``SIDE`` × ``SIDE`` → (468, 2) pixels of it, and the probability that it shows a face."""
        blob = cv2.dnn.blobFromImage(crop, 1 / 255, swapRB=True)
        points, presence = self._session.run([_POINTS, _PRESENCE], {"image": blob})
        return points.reshape(-1, 3)[:, :2], float(1 / (1 + np.exp(-presence.item())))
