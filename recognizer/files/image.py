"""Reads image files of any origin: the size first, and only then the pixels."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError, read_code

MOST_PIXELS = 80_000_000
"""More than any camera has; 240 MB in memory."""
MOST_BYTES = 300_000_000
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


def read_image(path: Path, advice: str = "give a PNG or JPEG file") -> npt.NDArray[np.uint8]:
    """(H, W, 3) BGR uint8, upright as its EXIF data asks for. AtmeError where the file is missing, not an
    image or larger than ``MOST_PIXELS``; ``advice`` ends its line."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AtmeError("unreadable", f"{path}: too large for an image; {advice}")
        data = path.read_bytes()  # not cv2.imread: on Windows it can open only names in the code page
    except OSError as error:
        raise AtmeError(read_code(error), f"{path}: cannot be read ({error.strerror}); {advice}") from None
    return decode_image(data, path, advice)


def decode_image(
    data: bytes,
    path: Path,
    advice: str,
    formats: tuple[str, ...] = FORMATS,
    largest: int = MOST_PIXELS,
) -> npt.NDArray[np.uint8]:
    """The same for bytes; ``path`` is what errors call them. ``largest``: most pixels allowed."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=formats) as header:
            width, height = header.size
    except UnidentifiedImageError:
        raise AtmeError("unreadable", f"{path}: not an image that can be read; {advice}") from None
    except Image.DecompressionBombError:
        width, height = largest, 2
    except Exception as error:  # each format's reader has errors of its own
        raise AtmeError("unreadable", f"{path}: a damaged image ({type(error).__name__}); {advice}") from None
    if width * height > largest:
        size = f"{largest / 10**6:.3g} million" if largest >= 10**6 else str(largest)
        raise AtmeError("unreadable", f"{path}: more than {size} pixels; {advice}")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise AtmeError("unreadable", f"{path}: not an image that can be read; {advice}")
    return np.asarray(image, np.uint8)
