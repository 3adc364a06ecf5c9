"""Facial micro-expressions from Python.

    import atme

    for event in atme.replay("clip.mp4"):  # a video or a folder of images; atme.camera(0), atme.open("udp://…")
        print(event.onset, event.apex, event.label, event.facs)

    for event in atme.detect(frames, fps=60):  # BGR uint8 images of your own, or (frame, seconds) pairs
        print(event.to_dict())

    with atme.Detector() as detector:  # the same, pushed frame by frame
        events = detector.push(frame, seconds)

    atme.spot("clip.mp4")  # movements with onset, apex and offset, without labels
    atme.Recognizer().recognize(onset, apex).label  # one pair of images
    atme.load_session("s01").export("elan")  # a session that was kept with --out

Times are seconds of the recording, of your own clock, or since the first frame of a live source. Whatever a
user can cause is an ``AtmeError`` of one line, whose ``code`` says of which kind. Nothing heavy is loaded
before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recognizer.lazy import lazily

if TYPE_CHECKING:
    from recognizer.errors import AtmeError
    from recognizer.recognition import CLASSES, UNCERTAIN, Recognition
    from recognizer.recognizer import Recognizer
    from spotting.candidate import Candidate, Rejection
    from stream.detector import Detector, detect, spot
    from stream.event import Expression, MacroExpression, MicroExpression
    from stream.frame import Frame
    from stream.observer import Observer
    from stream.records.recorded_session import RecordedSession
    from stream.records.recorded_session import read_session as load_session
    from stream.session import Session
    from stream.settings import Settings, load_settings
    from stream.sources.base import FrameSource

    replay, camera, open = Session.replay, Session.camera, Session.open  # as wave.open, io.open

__version__ = "0.1.0"

__all__ = [
    "CLASSES",
    "UNCERTAIN",
    "AtmeError",
    "Candidate",
    "Detector",
    "Expression",
    "Frame",
    "FrameSource",
    "MacroExpression",
    "MicroExpression",
    "Observer",
    "Recognition",
    "Recognizer",
    "RecordedSession",
    "Rejection",
    "Session",
    "Settings",
    "__version__",
    "camera",
    "detect",
    "load_session",
    "load_settings",
    "open",
    "replay",
    "spot",
]

__getattr__ = lazily(
    __name__,
    {
        "recognizer.errors": ("AtmeError",),
        "recognizer.recognition": ("CLASSES", "UNCERTAIN", "Recognition"),
        "recognizer.recognizer": ("Recognizer",),
        "spotting.candidate": ("Candidate", "Rejection"),
        "stream.detector": ("Detector", "detect", "spot"),
        "stream.event": ("Expression", "MacroExpression", "MicroExpression"),
        "stream.frame": ("Frame",),
        "stream.observer": ("Observer",),
        "stream.records.recorded_session": ("RecordedSession", "load_session:read_session"),
        "stream.session": ("Session", "replay:Session.replay", "camera:Session.camera", "open:Session.open"),
        "stream.settings": ("Settings", "load_settings"),
        "stream.sources.base": ("FrameSource",),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
