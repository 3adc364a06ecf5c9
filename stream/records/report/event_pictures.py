"""The images of one event: the face at onset and apex, the flow between them, the network's attention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Box, FaceGeometry, Gray
from recognizer.feature import PairFeatures
from recognizer.files.image import decode_image
from recognizer.files.received import MIB, read_received
from recognizer.flow.engine import Field
from recognizer.network.attention import Map

Picture = npt.NDArray[np.uint8]
"""BGR or grey uint8."""

SIDE = 256
"""Width of a face image, pixels."""
_LARGEST = 4 * MIB
NAMES = ("onset", "apex", "flow", "attention", "puzzle")


@dataclass(frozen=True)
class EventPictures:
    """All square. Onset and apex in colour, with a margin around the face; levelled by one rotation."""

    onset: Picture
    apex: Picture
    flow: Picture
    """The movement from onset to apex on the pale face: hue is its direction, strength its size."""
    attention: Picture | None
    """The network's attention, blue for least and yellow for most; None where it has none."""
    puzzle: Picture
    """Brows over mouth, onset left and apex right: what the second branch of the network compares."""


def draw_pictures(
    onset: Picture, apex: Picture, features: PairFeatures, attention: Map | None = None
) -> EventPictures:
    """``onset`` and ``apex`` are the whole BGR frames that ``features`` were extracted from."""
    return EventPictures(
        _face(onset, features.geometry),
        _face(apex, features.geometry),
        flow_picture(features.entire_flow, features.faces[0]),
        None if attention is None else attention_picture(attention, features.faces[0]),
        np.hstack([_enlarge(picture) for picture in features.puzzles]),
    )


def read_event_picture(path: Path) -> Picture:
    """An image written by ``--save-faces``. AtmeError for anything else, before it takes memory."""
    advice = "no session writes such a file; remove it, or use --no-pictures"
    return decode_image(read_received(path, _LARGEST), path, advice, ("PNG",), (4 * SIDE) ** 2)


def flow_picture(flow: Field, face: Gray) -> Picture:
    """(SIDE, SIDE, 3) BGR: the flow's colours over the pale grey face that it was computed on.

    Few directions are needed and red–green is avoided: up blue, down orange, to the left purple, to the right
    green; Okabe and Ito's colours, strongest at the greatest displacement.
    """
    u, v = flow[..., 0], flow[..., 1]
    size = np.hypot(u, v)
    reach = max(float(np.percentile(size, 99.5)), 1e-6)
    # Weights of the four directions, and white for the rest.
    parts = np.stack([np.maximum(-v, 0), np.maximum(v, 0), np.maximum(-u, 0), np.maximum(u, 0)], axis=-1)
    colours = np.array([(178, 114, 0), (0, 94, 213), (167, 121, 204), (115, 158, 0)], np.float32)
    hue = (parts @ colours) / np.maximum(parts.sum(axis=-1, keepdims=True), 1e-9)
    share = np.clip(size / reach, 0, 1)[..., None]
    paper = 0.55 + 0.45 * face[..., None].astype(np.float32) / 255
    return _enlarge(np.asarray(np.rint(paper * (255 + share * (hue - 255))), np.uint8))


def attention_picture(attention: Map, face: Gray) -> Picture:
    """(SIDE, SIDE, 3) BGR: the map from its least to its greatest value as colours over the grey face."""
    spread = max(float(attention.max() - attention.min()), 1e-6)
    share = cv2.resize(
        (attention - attention.min()) / spread, face.shape[::-1], interpolation=cv2.INTER_CUBIC
    ).clip(0, 1)
    colours = cv2.applyColorMap(np.asarray(255 * share, np.uint8), cv2.COLORMAP_CIVIDIS)
    return _enlarge(cv2.addWeighted(cv2.cvtColor(face, cv2.COLOR_GRAY2BGR), 0.5, colours, 0.5, 0))


def _face(image: Picture, geometry: FaceGeometry) -> Picture:
    """(SIDE, SIDE, 3) crop of the levelled image, wide enough to show hair and chin."""
    face = geometry.face
    half = 0.68 * max(face.width, face.height)
    x, y = (face.left + face.right) / 2, (face.top + face.bottom) / 2 - 0.06 * face.height
    box = Box(x - half, y - half, x + half, y + half)
    shift = geometry.rotation.copy()
    shift[:, 2] -= (box.left, box.top)
    scale = SIDE / box.width
    shift *= scale
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(image, shift, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _enlarge(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
