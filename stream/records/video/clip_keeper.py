"""``--save-clips``: a short video around each movement, for a live session that records no other video.

They show faces: only their owner may read them. The last seconds are held in memory as JPEG images; a clip
is written once the time after its movement has passed.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognizer.feature import PairFeatures
from recognizer.files.ffmpeg import reason
from spotting.candidate import Candidate, Rejection
from spotting.motion import MotionSample
from stream.event import Expression
from stream.frame import Frame, Image
from stream.observer import Observer
from stream.records.video.record import BACKLOG_BYTES
from stream.records.video.writer import VideoWriter

AROUND_S = 0.5
"""Seconds before the onset and after the offset."""
BEHIND_S = 10.0
"""Seconds after a frame within which a movement that contains it may be decided; longer movements lose their
beginning."""
HELD_BYTES = 512 * 2**20
"""Of JPEG images: ten seconds of 1280×720 at 120 fps."""
_QUALITY = 95


@dataclass
class _Clip:
    start: float
    end: float


@dataclass(frozen=True)
class _Held:
    time: float
    data: bytes


class ClipKeeper(Observer):
    """An observer with a thread of its own; a failing disk costs clips, never the session."""

    def __init__(self, folder: Path, size: tuple[int, int], fps: float | None, *, live: bool) -> None:
        """Creates ``folder``; OSError where it cannot. ``live``: a frame that finds too many waiting is
        dropped and counted; a replay waits instead."""
        folder.mkdir(mode=0o700)
        self.warnings: list[str] = []
        self.written = 0
        self._folder, self._size, self._fps = folder, size, fps
        self._live, self._room = live, max(BACKLOG_BYTES // (3 * size[0] * size[1]), 2)
        self._queue: queue.Queue[tuple[float, Image] | Candidate | None] = queue.Queue(
            0 if live else self._room
        )
        self._held: deque[_Held] = deque()
        self._bytes = 0
        self._wanted: list[_Clip] = []
        self._lost = 0
        self._thread = threading.Thread(target=self._work, name="clips", daemon=True)
        self._thread.start()

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """Takes a copy of the image, unless too many wait."""
        if self._live and self._queue.qsize() >= self._room:
            self._lost += 1
        else:
            self._queue.put((frame.timestamp, frame.image.copy()))

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """Keeps a clip of it."""
        self._queue.put(event.candidate)

    def rejection(self, rejection: Rejection) -> None:
        """Keeps a clip of it, too: reviewers want to see rejected movements."""
        self._queue.put(rejection.movement)

    @property
    def unwritten(self) -> tuple[str, ...]:
        """What is missing, counted."""
        return (f"{self._lost} frames of clips ({self._folder})",) if self._lost else ()

    def close(self) -> None:
        """Writes what is still pending, and ends."""
        self._queue.put(None)
        self._thread.join(60.0)

    def _work(self) -> None:
        while (found := self._queue.get()) is not None:
            if isinstance(found, Candidate):
                self._want(found.onset - AROUND_S, found.offset + AROUND_S)
            else:
                self._hold(*found)
            newest = self._held[-1].time if self._held else 0.0
            while self._wanted and self._wanted[0].end <= newest:
                self._write(self._wanted.pop(0))
        for clip in self._wanted:
            self._write(clip)

    def _hold(self, time: float, image: Image) -> None:
        good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not good:
            return
        self._held.append(_Held(time, data.tobytes()))
        self._bytes += len(self._held[-1].data)
        oldest = min([time - BEHIND_S, *(clip.start for clip in self._wanted)])
        while self._held and (self._held[0].time < oldest or self._bytes > HELD_BYTES):
            self._bytes -= len(self._held.popleft().data)

    def _want(self, start: float, end: float) -> None:
        """One clip for movements that share frames."""
        for clip in self._wanted:
            if start <= clip.end and clip.start <= end and max(end, clip.end) - clip.start < 2 * BEHIND_S:
                clip.start, clip.end = min(start, clip.start), max(end, clip.end)
                return
        self._wanted.append(_Clip(start, end))
        self._wanted.sort(key=lambda clip: clip.end)

    def _write(self, clip: _Clip) -> None:
        frames = [held for held in self._held if clip.start <= held.time <= clip.end]
        if not frames:
            return
        path = self._folder / f"{round(1000 * frames[0].time):09d}-{round(1000 * frames[-1].time):09d}.mkv"
        try:
            with VideoWriter(path, self._size, self._fps) as writer:
                for held in frames:
                    picture = cv2.imdecode(np.frombuffer(held.data, np.uint8), cv2.IMREAD_COLOR)
                    writer.write(held.time, np.asarray(picture, np.uint8))
            self.written += 1
        except Exception as error:  # FFmpeg has errors of many types, and any of them would end this thread
            line = f"{self._folder}: a clip cannot be written ({reason(error)}); check the disk"
            if line not in self.warnings:
                self.warnings.append(line)
            self._lost += len(frames)
