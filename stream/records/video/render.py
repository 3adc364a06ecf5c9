"""``--render``: the replayed recording with everything that was found drawn into it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from av.error import FFmpegError

from recognizer.errors import AtmeError
from recognizer.face import NoFaceError, locate
from recognizer.files.ffmpeg import reason
from recognizer.landmarks import Landmarker
from spotting.candidate import Rejection
from stream.event import Expression
from stream.frame import Image
from stream.labels import look_of
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.records.video.writer import VideoWriter
from stream.sources import open_recording

STRIP = 96
"""Height of the strip with the motion curve, pixels."""
SPAN = 4.0
"""Seconds of the curve in the strip; the current time is at three quarters of its width."""
LINGER = 1.2
"""Seconds for which a label stays after its offset, as a fifth of a second is too short to read."""
_FONT = cv2.FONT_HERSHEY_DUPLEX
_DARK, _GREY, _PALE, _WHITE = (30, 26, 24), (128, 128, 128), (205, 205, 205), (255, 255, 255)
_AMBER = (0, 159, 230)

Colour = tuple[int, int, int]
"""Blue, green, red."""


def render_video(
    recording: Path,
    session: RecordedSession,
    out: Path,
    *,
    show_macros: bool = False,
    clock: Mapping[str, float] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Draws face box, label and motion curve into every frame of ``recording``; the result is ``out``.

    ``show_macros``: macro-expressions too. ``clock``: what ``open_recording`` was told of its times;
    ``progress`` is called with 0–1. AtmeError where the session has no motion curve, the recording cannot be
    read or ``out`` cannot be written.
    """
    if session.motion is None:
        raise AtmeError("not-found", f"{session.path}: no motion curve in it; render from a session folder")
    events = session.events if show_macros else session.micros
    canvas = _Canvas(events, session.motion, session.rejections)
    landmarker = Landmarker(tracking=True)
    try:
        with open_recording(recording, **(clock or {})) as source:
            width, height = source.size
            with VideoWriter(out, (width, height + STRIP), source.nominal_fps, crf=20) as video:
                while (frame := source.read()) is not None:
                    image = frame.image.copy()
                    _draw_face(image, landmarker, canvas.event_at(frame.timestamp))
                    video.write(frame.timestamp, canvas.compose(image, frame.timestamp))
                    if progress and source.duration:
                        progress(min(frame.timestamp / source.duration, 1.0))
    except (OSError, FFmpegError) as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be written ({reason(error)}); make room, name another file"
        ) from error
    finally:
        landmarker.close()
    return out


class _Canvas:
    """Draws a session's results onto its frames."""

    def __init__(
        self, events: tuple[Expression, ...], motion: Motion, rejections: tuple[Rejection, ...]
    ) -> None:
        self._events = events
        self._onsets = [event.onset for event in events]
        self._motion = motion
        self._rejections = rejections
        peak = float(np.percentile(motion.signal, 99.5)) if len(motion) else 0.0
        tallest = max([event.candidate.peak for event in events], default=0.0)
        self._top = 1.15 * max(peak, tallest, 0.5)

    def event_at(self, time: float) -> Expression | None:
        """The event in progress, or the one that has just ended."""
        index = bisect_right(self._onsets, time) - 1
        if index < 0 or time > self._events[index].offset + LINGER:
            return None
        return self._events[index]

    def compose(self, image: Image, time: float) -> Image:
        """The frame with its label, over the strip."""
        event = self.event_at(time)
        if event is not None:
            _banner(image, event)
        _text(image, f"{time:7.3f} s", (image.shape[1] - 118, image.shape[0] - 12), 0.55, _WHITE)
        return np.vstack([image, self._strip(image.shape[1], time)])

    def _strip(self, width: int, now: float) -> Image:
        strip = np.full((STRIP, width, 3), _DARK, np.uint8)
        start = now - 0.75 * SPAN

        def x(time: float) -> int:
            return round((time - start) / SPAN * width)

        for event in self._events:
            if event.offset > start and event.onset < start + SPAN and event.onset <= now:
                colour = _bgr(event)
                left, right = x(event.onset), x(event.offset)
                strip[:, max(left, 0) : max(right, 0)] = [round(0.35 * c + 0.65 * 28) for c in colour]
                _text(strip, event.name, (left + 3, 14), 0.42, _PALE)
        motion = self._motion
        first, last = np.searchsorted(motion.time, (start - 0.1, now + 1e-9))
        xs = [x(t) for t in motion.time[first:last]]
        for values, colour, thick in ((motion.threshold, _AMBER, 1), (motion.signal, _WHITE, 2)):
            ys = np.clip(STRIP - 4 - values[first:last] / self._top * (STRIP - 22), 2, STRIP - 2)
            points = np.column_stack([xs, np.rint(ys)]).astype(np.int32).reshape(-1, 1, 2)
            if len(points) > 1:
                cv2.polylines(strip, [points], False, colour, thick, cv2.LINE_AA)
        for rejection in self._rejections:
            if start < rejection.movement.apex <= now:
                _text(strip, rejection.reason, (x(rejection.movement.onset), 14), 0.38, _GREY)
        cv2.line(strip, (x(now), 0), (x(now), STRIP), _GREY, 1)
        return strip


def _draw_face(image: Image, landmarker: Landmarker, event: Expression | None) -> None:
    """A box around the face, thick in the label's colour while there is one."""
    landmarks = landmarker.detect(image)
    if landmarks is None:
        return
    try:
        geometry = locate(landmarks)
    except NoFaceError:
        return
    face = geometry.face
    corners = np.array(
        [
            (face.left, face.top),
            (face.right, face.top),
            (face.right, face.bottom),
            (face.left, face.bottom),
        ]
    )
    back = cv2.invertAffineTransform(geometry.rotation)
    box = np.rint(corners @ back[:, :2].T + back[:, 2]).astype(np.int32).reshape(-1, 1, 2)
    colour, thick = (_PALE, 1) if event is None else (_bgr(event), 3)
    cv2.polylines(image, [box], True, colour, thick, cv2.LINE_AA)


def _banner(image: Image, event: Expression) -> None:
    """Label and confidence on a dark band, behind a block of the label's colour."""
    image[:44] = (0.3 * image[:44]).astype(np.uint8)
    image[:44, :14] = _bgr(event)
    duration = f"{1000 * event.candidate.duration:.0f} ms, {event.candidate.region}"
    _text(image, "  ".join(filter(None, (event.in_words, event.facs))), (26, 31), 0.85, _WHITE)
    (width, _), _ = cv2.getTextSize(duration, _FONT, 0.5, 1)
    if image.shape[1] > width + 320:
        _text(image, duration, (image.shape[1] - width - 14, 29), 0.5, _PALE)


def _text(image: Image, text: str, place: tuple[int, int], size: float, colour: Colour) -> None:
    cv2.putText(image, text, place, _FONT, size, _DARK, 3, cv2.LINE_AA)
    cv2.putText(image, text, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _bgr(event: Expression) -> Colour:
    code = look_of(event.name).colour
    return int(code[5:7], 16), int(code[3:5], 16), int(code[1:3], 16)
