"""Keeps what the overlay shows besides the status: the face, the last event's motion, rejected movements."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Gray
from recognizer.feature import PairFeatures
from recognizer.flow.engine import Field
from spotting.candidate import Rejection
from spotting.motion import MotionSample
from stream.event import Expression, MicroExpression
from stream.frame import Frame, Image
from stream.observer import Observer

LOOK_S = 0.25
"""Seconds between two crops of the face; frames in between cost nothing."""
SIDE = 96
"""Side of the square image of the aligned face, in pixels ..."""
FACE_SHARE, EYES_DOWN = 0.8, 0.38
"""... the face takes this share of its width, and the eyes are this far down."""
REMEMBERED = 100


@dataclass(frozen=True, eq=False)
class EventMotion:
    """What moved in one event; equal to itself only."""

    event: MicroExpression
    face: Gray
    """The face at the onset, (H, W)."""
    flow: Field
    """From onset to apex, in pixels of that image."""


class Onlooker(Observer):
    """An observer for the session; its properties may be read from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._looked = -LOOK_S
        self._picture: Frame | None = None
        self._face: Gray | None = None
        self._motion: EventMotion | None = None
        self._rejections: deque[Rejection] = deque(maxlen=REMEMBERED)

    @property
    def picture(self) -> Frame | None:
        """The whole frame that was cropped last."""
        return self._picture

    @property
    def face(self) -> Gray | None:
        """(SIDE, SIDE) the aligned face of a moment ago; None while there is none."""
        return self._face

    @property
    def motion(self) -> EventMotion | None:
        """Motion of the last event."""
        return self._motion

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """The last ones, oldest first."""
        with self._lock:
            return tuple(self._rejections)

    # ---- called by the session

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """Crops the face a few times a second."""
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._face = align_face(frame.image, sample) if sample.face else None
            self._picture = replace(frame, picture=frame.image.copy())

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """The motion of a micro-expression is remembered until the next one."""
        if isinstance(event, MicroExpression) and features is not None:
            self._motion = EventMotion(event, features.faces[0], features.entire_flow)

    def rejection(self, rejection: Rejection) -> None:
        """Remembered."""
        with self._lock:
            self._rejections.append(rejection)


def align_face(image: Image, sample: MotionSample) -> Gray:
    """(SIDE, SIDE) grey image of a BGR frame's face, upright, from where the sample says that it is."""
    scale = FACE_SHARE * SIDE / sample.face_px
    along, across = scale * np.cos(sample.roll), scale * np.sin(sample.roll)
    turn = np.array(((along, across), (-across, along)))
    shift = np.array((SIDE / 2, SIDE * EYES_DOWN)) - turn @ (sample.eyes_x, sample.eyes_y)
    to_face: npt.NDArray[np.float64] = np.hstack([turn, shift[:, None]])
    piece = cv2.warpAffine(
        image, to_face, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(piece, cv2.COLOR_BGR2GRAY), np.uint8)
