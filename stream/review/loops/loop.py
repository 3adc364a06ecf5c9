"""The loop of one movement: the face, cut from each frame at one place, as pictures that a browser plays."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.landmarks import Landmarker, Landmarks
from spotting.face_places import SIZE
from spotting.motion import alignment
from stream.frame import Frame, Image
from stream.review.video.recording import nearest_frame

SIDE = 384
"""Width and height of the pictures, pixels."""
_WIDER = 0.84
"""Of a canonical pixel's share of the picture: room for hair and chin."""
MOST_FRAMES = 300
"""Of a longer stretch only every second or third frame is shown."""
_QUALITY = 88


@dataclass(frozen=True)
class Loop:
    """Frames around one movement, and where the face is in the one at its onset."""

    frames: tuple[Frame, ...]
    reference: int
    """Place of the frame at the onset."""
    landmarks: Landmarks | None
    """(68, 2) in that frame; None where no face is found."""
    every: int = 1
    """Only each so many frames are held."""


def make_loop(frames: Sequence[Frame], onset: float, landmarker: Landmarker) -> Loop:
    """AtmeError where there is no frame."""
    every = -(-len(frames) // MOST_FRAMES) or 1
    kept = list(frames[::every])
    reference = nearest_frame(kept, onset)
    return Loop(tuple(kept), reference, landmarker.detect(kept[reference].image), every)


def to_picture(pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, 3) frame → canonical picture becomes frame → the loop's picture."""
    scale = _WIDER * SIDE / SIZE
    larger = scale * pose
    larger[:, 2] += SIDE / 2 - scale * SIZE / 2, SIDE / 2 - scale * SIZE / 2 + 0.03 * SIDE
    return larger


def cut(image: Image, matrix: npt.NDArray[np.float64]) -> Image:
    """(SIDE, SIDE, 3): the face as ``matrix`` brings it there."""
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if scale < 0.6:  # a large face is shrunk by area first, against aliasing
        step = max(scale / 0.8, 1e-3)
        image = np.asarray(cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix.copy()
        matrix[:, :2] /= step
    cut = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def whole(image: Image) -> npt.NDArray[np.float64]:
    """(2, 3) frame → picture that shows all of it, for a frame without a face."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    return np.array(((scale, 0, (SIDE - scale * width) / 2), (0, scale, (SIDE - scale * height) / 2)))


def reference_view(loop: Loop) -> npt.NDArray[np.float64]:
    """(2, 3) frame → picture, from the frame at the onset: the same for every frame of the plain loop."""
    if loop.landmarks is None:
        return whole(loop.frames[loop.reference].image)
    return to_picture(alignment(loop.landmarks))


def plain(loop: Loop, *, seeks: bool = True) -> bytes:
    """The loop as it was recorded, packed. ``seeks``: False where the recording seeks badly."""
    view = reference_view(loop)
    about = {"face": loop.landmarks is not None, "every": loop.every, "seeks": seeks}
    return pack(loop, [cut(frame.image, view) for frame in loop.frames], about)


def pack(loop: Loop, pictures: Sequence[Image], about: dict[str, Any]) -> bytes:
    """Length of the head (uint32, little endian), the head as JSON, and the JPEG pictures one after another.

    The head holds the frames' numbers and times, the pictures' lengths in bytes, and ``about``.
    """
    jpegs = [
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        for picture in pictures
    ]
    head = json.dumps(
        {
            "frames": [frame.index for frame in loop.frames],
            "times": [round(frame.timestamp, 6) for frame in loop.frames],
            "bytes": [len(jpeg) for jpeg in jpegs],
            "reference": loop.reference,
            **about,
        }
    ).encode()
    return struct.pack("<I", len(head)) + head + b"".join(jpegs)
