"""Onset and apex images in, a micro-expression label out (Dual-ATME, Entropy 2023, 25(3), 460)."""

from typing import TYPE_CHECKING

import recognizer.no_telemetry  # noqa: F401  # first: before anything that has telemetry
from recognizer.lazy import lazily

if TYPE_CHECKING:
    from recognizer.errors import AtmeError
    from recognizer.face import NoFaceError
    from recognizer.recognition import CLASSES, UNCERTAIN, Recognition
    from recognizer.recognizer import Recognizer

__all__ = ["CLASSES", "UNCERTAIN", "AtmeError", "NoFaceError", "Recognition", "Recognizer"]

__getattr__ = lazily(
    __name__,
    {
        "recognizer.errors": ("AtmeError",),
        "recognizer.face": ("NoFaceError",),
        "recognizer.recognition": ("CLASSES", "UNCERTAIN", "Recognition"),
        "recognizer.recognizer": ("Recognizer",),
    },
)
