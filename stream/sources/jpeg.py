"""Images as a camera sends them, JPEG, decoded only if somebody looks at them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from stream.frame import Deferred, Image

Bytes = npt.NDArray[np.uint8]
"""(N,) the bytes of a file."""

_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of segments that state the image's size."""
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}


def deferred(data: Bytes, name: str) -> Deferred | None:
    """The image in ``data``, which nobody may change; None where its header is no JPEG's.

    ``name``: the camera's, for the AtmeError of an image that cannot be decoded after all.
    """
    size = jpeg_size(data)
    return None if size is None else Deferred((*size, 3), lambda: decoded(data, name))


def decoded(data: Bytes, name: str) -> Image:
    """BGR, exactly as OpenCV gives a camera's images. AtmeError where that is impossible."""
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise undecodable(name)
    return np.asarray(image, np.uint8)


def undecodable(name: str) -> AtmeError:
    """The error of a camera that sent something else than an image."""
    return AtmeError("unreadable", f"{name}: sent an image that cannot be decoded; try another fourcc")


def jpeg_size(data: Bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG file states; None where it is none, or states none."""
    place, end = 2, len(data)
    if end < place or data[0] != 0xFF or data[1] != 0xD8:
        return None
    while place + 9 <= end and data[place] == 0xFF:
        marker = int(data[place + 1])
        if marker in _SIZES:
            height, width = (int(data[k]) << 8 | int(data[k + 1]) for k in (place + 5, place + 7))
            return (height, width) if height and width else None
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + (int(data[place + 2]) << 8 | int(data[place + 3]))
    return None
