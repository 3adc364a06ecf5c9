"""Reads a picture that comes from anywhere: its size first, and only then its pixels."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError

MOST_PIXELS = 80_000_000
"""More than any camera's; in memory 240 MB."""
MOST_BYTES = 300_000_000
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


def read_picture(path: Path, advice: str = "give a PNG or JPEG file") -> npt.NDArray[np.uint8]:
    """(H, W, 3) BGR uint8, upright as its EXIF data asks for. AtmeError where the file is missing, no picture
    or larger than ``MOST_PIXELS``; ``advice`` ends its line."""
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size > MOST_BYTES:
            raise AtmeError(f"{path}: too large for a picture; {advice}")
        data = path.read_bytes()  # not cv2.imread: on Windows it opens names of the code page only
    except OSError as error:
        raise AtmeError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            width, height = header.size
    except UnidentifiedImageError:
        raise AtmeError(f"{path}: not a picture that can be read; {advice}") from None
    except Image.DecompressionBombError:
        width, height = MOST_PIXELS, 2
    except Exception as error:  # each format's reader has errors of its own
        raise AtmeError(f"{path}: a damaged picture ({type(error).__name__}); {advice}") from None
    if width * height > MOST_PIXELS:
        raise AtmeError(f"{path}: more than {MOST_PIXELS // 10**6} million pixels; make the picture smaller")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise AtmeError(f"{path}: not a picture that can be read; {advice}")
    return np.asarray(image, np.uint8)
