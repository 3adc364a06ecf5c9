"""The loop of one movement: the face, cropped from each frame at the same place, as images for a browser."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.landmarks import Landmarker, Landmarks
from spotting.face.places import SIZE
from spotting.face.pose import alignment
from stream.frame import Frame, Image
from stream.review.video.recording import nearest_frame

SIDE = 384
"""Width and height of the images, pixels."""
_WIDER = 0.84
"""Scale of the canonical face in the image: leaves room for hair and chin."""
MOST_FRAMES = 300
"""Frames; of a longer stretch only every second or third frame is shown."""
_QUALITY = 88
_ROOM = 2.0
"""Width and height of the part of a frame that is kept, relative to the image's: the head may move."""
_COARSE, _FINE = 0.6, 0.8
"""A face that the image shows at less than ``_COARSE`` of its size is reduced to 1 / ``_FINE`` of its size in
the image, by averaging areas against aliasing."""


@dataclass(frozen=True)
class Loop:
    """Frames around one movement, and where the face is in the one at its onset."""

    frames: tuple[Frame, ...]
    """The part of each frame around the face, at about the size of the loop's images."""
    reference: int
    """Index of the frame at the onset."""
    landmarks: Landmarks | None
    """(68, 2) in that frame; None where no face is found."""
    every: int = 1
    """Only every ``step``-th frame is kept."""

    @property
    def bytes(self) -> int:
        """Memory of its frames."""
        return sum(frame.image.nbytes for frame in self.frames)


def make_loop(frames: Iterable[Frame], onset: float, landmarker: Landmarker) -> Loop:
    """Frames in order; whole ones are kept only up to the onset. AtmeError where there is no frame."""
    kept: list[Frame] = []
    part: _Part | None = None
    reference, landmarks = 0, None
    for frame in frames:
        if part is not None:
            kept.append(part.of(frame))
            continue
        kept.append(frame)
        if frame.timestamp >= onset:
            reference, landmarks, part = _framed(kept, onset, landmarker)
            kept = [part.of(one) for one in kept]
    if part is None:
        reference, landmarks, part = _framed(kept, onset, landmarker)
        kept = [part.of(one) for one in kept]
    loop = Loop(tuple(kept), reference, None if landmarks is None else part.places(landmarks))
    return thinned(loop, -(-len(kept) // MOST_FRAMES))


def thinned(loop: Loop, every: int) -> Loop:
    """The stretch with every n-th of its frames, including the one at the onset."""
    first = loop.reference % every
    kept = loop.frames[first::every]
    return Loop(kept, loop.reference // every, loop.landmarks, loop.every * every)


def from_onset(loop: Loop, onset: float, landmarker: Landmarker) -> Loop:
    """The same frames with another onset."""
    reference = nearest_frame(loop.frames, onset)
    if reference == loop.reference:
        return loop
    return replace(loop, reference=reference, landmarks=landmarker.detect(loop.frames[reference].image))


def _framed(
    frames: Sequence[Frame], onset: float, landmarker: Landmarker
) -> tuple[int, Landmarks | None, _Part]:
    """The index of the frame at the onset, the face in it, and the part of the frames that shows it."""
    reference = nearest_frame(frames, onset)
    image = frames[reference].image
    landmarks = landmarker.detect(image)
    return reference, landmarks, _part(image, landmarks)


@dataclass(frozen=True)
class _Part:
    """A part of the frames, reduced where the loop shows no more detail anyway."""

    shape: tuple[int, int]
    """Height and width of the frames."""
    left: int
    top: int
    right: int
    bottom: int
    scale: float

    def of(self, frame: Frame) -> Frame:
        image = frame.image
        if image.shape[:2] != self.shape:  # some recordings change their size midway
            image = np.asarray(cv2.resize(image, self.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        if self.shape != (self.bottom - self.top, self.right - self.left):
            image = image[self.top : self.bottom, self.left : self.right]
            image = image.copy() if self.scale == 1 else image  # frees the rest of the frame
        if self.scale != 1:
            made = cv2.resize(image, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
            image = np.asarray(made, np.uint8)
        return replace(frame, picture=image)

    def places(self, landmarks: Landmarks) -> Landmarks:
        shifted = landmarks - np.array((self.left, self.top), np.float32)
        return np.asarray((shifted + 0.5) * self.scale - 0.5, np.float32)


def _part(image: Image, landmarks: Landmarks | None) -> _Part:
    height, width = image.shape[:2]
    if landmarks is None:
        return _Part((height, width), 0, 0, width, height, min(SIDE / max(height, width), 1.0))
    view = to_picture(alignment(landmarks))
    scale = float(np.hypot(view[0, 0], view[0, 1]))
    middle = cv2.invertAffineTransform(view) @ (SIDE / 2, SIDE / 2, 1)
    reach = _ROOM * SIDE / scale / 2
    left, top = np.clip(np.floor(middle - reach), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(middle + reach), (left + 1, top + 1), (width, height)).astype(int)
    smaller = scale / _FINE if scale < _COARSE else 1.0
    return _Part((height, width), int(left), int(top), int(right), int(bottom), smaller)


def to_picture(pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turns (2, 3) frame → canonical image into frame → the loop's image."""
    scale = _WIDER * SIDE / SIZE
    larger = scale * pose
    larger[:, 2] += SIDE / 2 - scale * SIZE / 2, SIDE / 2 - scale * SIZE / 2 + 0.03 * SIDE
    return larger


def cut(image: Image, matrix: npt.NDArray[np.float64]) -> Image:
    """(SIDE, SIDE, 3): the face as mapped by ``matrix``."""
    edge = cv2.BORDER_REPLICATE
    made = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(made, np.uint8)


def whole(image: Image) -> npt.NDArray[np.float64]:
    """(2, 3) frame → image that shows all of it, for a frame without a face."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    return np.array(((scale, 0, (SIDE - scale * width) / 2), (0, scale, (SIDE - scale * height) / 2)))


def reference_view(loop: Loop) -> npt.NDArray[np.float64]:
    """(2, 3) frame → image, from the frame at the onset: the same for every frame of the plain loop."""
    if loop.landmarks is None:
        return whole(loop.frames[loop.reference].image)
    return to_picture(alignment(loop.landmarks))


def plain(loop: Loop, *, seeks: bool = True) -> bytes:
    """The loop as it was recorded, packed. ``seeks``: False where seeking in the recording is unreliable."""
    view = reference_view(loop)
    about = {"face": loop.landmarks is not None, "every": loop.every, "seeks": seeks}
    return pack(loop, [cut(frame.image, view) for frame in loop.frames], about)


def pack(loop: Loop, pictures: Sequence[Image], about: dict[str, Any]) -> bytes:
    """Length of the head (uint32, little endian), the head as JSON, and the JPEG images one after another.

    The head holds the frames' numbers and times, the images' lengths in bytes, and ``about``.
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
