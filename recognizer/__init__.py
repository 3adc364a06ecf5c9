"""Onset and apex images in, a micro-expression label out (Dual-ATME, Entropy 2023, 25(3), 460)."""

import recognizer.no_telemetry  # noqa: F401  # first: before anything that has telemetry
from recognizer.errors import AtmeError
from recognizer.face import NoFaceError
from recognizer.recognition import CLASSES, UNCERTAIN, Recognition
from recognizer.recognizer import Recognizer

__all__ = ["CLASSES", "UNCERTAIN", "AtmeError", "NoFaceError", "Recognition", "Recognizer"]
