"""The session folder: everything that ``--out DIR`` keeps of a session, on disk as it happens.

events.jsonl     one event per line, synced to disk before it is shown; all exports are derived from it
rejected.jsonl   the movements that were rejected, and why
motion.csv       the motion signal of every frame
marks.jsonl      moments that the user marked, if any
gaps.jsonl       stretches of time without frames, if any
session.json     settings, versions, source, counters; written at the start and completed at the end
faces/           images of each event, only if requested
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import cv2

from recognizer.errors import AtmeError
from recognizer.feature import PairFeatures
from recognizer.files.write import open_new, write_file
from recognizer.network.attention import Attention
from recognizer.network.backend import DEFAULT_WEIGHTS
from spotting.candidate import Rejection
from spotting.motion import MotionSample
from spotting.reviews.study import NOBODY, Who
from stream.event import Expression, MicroExpression
from stream.frame import Frame
from stream.observer import Observer
from stream.outputs.event_log import EventLog, rejection_line
from stream.outputs.line_file import LineFile
from stream.pipeline.gap import Gap
from stream.records.about_session import Observed, at_end, at_start, write_about
from stream.records.motion_file import MotionFile
from stream.records.report.event_pictures import NAMES, draw_pictures
from stream.records.session_files import ABOUT, BATCH, EVENTS, FACES, GAPS, MARKS, MOTION, REJECTED


class SessionFolder(Observer):
    """An observer that writes a session folder. Use it as a context manager *around* the session.

    A disk that fails while the session runs never ends the session: ``warnings`` says so at once, what cannot
    be written is kept in memory and tried again with the next frame or event, and ``unwritten`` counts it.
    """

    def __init__(self, path: Path, *, save_faces: bool = False, batch: bool = False) -> None:
        """Creates the folder and its files. AtmeError where it is not empty or cannot be written to.

        ``batch``: the folder exists and holds the batch's own marker.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        self._save_faces = save_faces
        self._attention: Attention | None = None
        self._count = 0
        """Events so far."""
        self._latencies: list[float] = []
        """Latencies of the micro-expressions among them."""
        self._pictures_lost = 0
        self._about_written = True
        self._session: Observed | None = None
        self._about: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._origin_known = False
        self._warned: set[tuple[str, str]] = set()
        self._lock = Lock()  # rejections come from two threads, marks from a third
        self._new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if {entry.name for entry in self.path.iterdir()} - ({BATCH} if batch else set()):
                raise AtmeError(
                    "exists", f"{self.path}: not empty, and recordings are never mixed; name a new folder"
                )
            # Created here and nowhere else: of two commands with one folder, one is refused.
            self._events = EventLog(self.path / EVENTS, new=True)
            self._motion = MotionFile(self.path / MOTION)
            self._lines = {MOTION: self._motion.file, REJECTED: LineFile(open_new(self.path / REJECTED))}
            if save_faces:
                (self.path / FACES).mkdir(mode=0o700)
        except OSError as error:
            raise AtmeError(
                "unwritable",
                f"{self.path}: cannot be made a session folder ({error.strerror}); name one you may write to",
            ) from error

    def begin(self, session: Observed, recording: Path | None = None, who: Who = NOBODY) -> None:
        """Records the session's source and settings before it starts. ``recording``: what is replayed, if
        anything; ``who``: the participant."""
        self._session = session
        self._about = at_start(session, recording, self._save_faces)
        self._about |= {name: said for name, said in asdict(who).items() if said}
        if self._save_faces:
            self._attention = Attention(Path(session.settings.recognizer.weights or DEFAULT_WEIGHTS))
        try:
            write_about(self.path / ABOUT, self._about)
        except OSError as error:
            raise AtmeError(
                "unwritable",
                f"{self.path}: cannot be written to ({error.strerror}); make room or name another folder",
            ) from error

    @property
    def unwritten(self) -> tuple[str, ...]:
        """What is not on disk, counted: ``2 of 5 events (s/events.jsonl)``; empty where everything is."""
        found = [*self._events.unwritten]
        with self._lock:
            files = list(self._lines.items())
        for name, file in files:
            if file.missing:
                found.append(f"{file.missing} of {file.lines} lines ({self.path / name})")
        if self._pictures_lost:
            found.append(f"the images of {self._pictures_lost} events ({self.path / FACES})")
        if not self._about_written:
            found.append(f"settings and counters ({self.path / ABOUT})")
        return tuple(found)

    # ---- from the worker threads

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """A row of ``motion.csv``."""
        try:
            self._motion.write(sample, threshold)
        except OSError as error:
            self._warn(MOTION, error)
        if not self._origin_known and self._session is not None:
            self._origin_known = True
            self._about["monotonic_origin"] = self._session.source.origin
            self._write_about(self._about)

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """A line of ``events.jsonl``, on disk before the event is shown; images if requested."""
        self._count += 1
        if isinstance(event, MicroExpression):
            self._latencies.append(event.latency_ms)
        try:
            self._events.write(event)
        except AtmeError as error:
            self._warn(EVENTS, error.__cause__)
        if self._save_faces and onset is not None and apex is not None and features is not None:
            pictured = isinstance(event, MicroExpression)
            self._save_pictures(onset, apex, features, self._attention if pictured else None)

    def rejection(self, rejection: Rejection) -> None:
        """A line of ``rejected.jsonl``."""
        self._append(REJECTED, rejection_line(rejection))

    def gap(self, gap: Gap) -> None:
        """A line of ``gaps.jsonl``."""
        line = {"start": round(gap.start, 6), "end": round(gap.end, 6), "reason": gap.reason}
        self._append(GAPS, json.dumps(line, ensure_ascii=False))

    # ---- from the main thread

    def mark(self, time: float, text: str = "") -> bool:
        """Keeps a moment marked by the user, in seconds on the source's clock; from any thread.

        False where it is not on disk.
        """
        return self._append(MARKS, json.dumps({"time": round(time, 6), "text": text}, ensure_ascii=False))

    def add(self, **more: Any) -> None:
        """More for ``session.json``, written at the end."""
        self._extra.update(more)

    def __enter__(self) -> SessionFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()
        for name, file in self._lines.items():
            try:
                file.close()
            except OSError as failure:
                self._warn(name, failure)
        if self._session is None:
            self._withdraw()
            return
        about = {
            **self._about,
            **at_end(self._session, self._latencies, self._count - len(self._latencies), error),
            **self._extra,
        }
        about["warnings"] = [*about["warnings"], *self.warnings]
        about["unwritten"] = [what for what in self.unwritten if ABOUT not in what]
        self._write_about(about)

    def _append(self, name: str, line: str) -> bool:
        """Writes to a file that only some sessions have."""
        try:
            with self._lock:
                if name not in self._lines:
                    self._lines[name] = LineFile(open_new(self.path / name))
            self._lines[name].write(line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError as error:
            self._warn(name, error)
            return False
        return True

    def _write_about(self, about: dict[str, Any]) -> None:
        try:
            write_about(self.path / ABOUT, about)
            self._about_written = True
        except OSError as error:
            self._about_written = False
            self._warn(ABOUT, error)

    def _withdraw(self) -> None:
        """Removes the folder of a session that never began, so that the next attempt can use it."""
        with suppress(OSError):
            if (self.path / EVENTS).stat().st_size:
                return
            for name in (EVENTS, MOTION, REJECTED):
                (self.path / name).unlink()
            if self._save_faces:
                (self.path / FACES).rmdir()
            if self._new:
                self.path.rmdir()

    def _save_pictures(
        self, onset: Frame, apex: Frame, features: PairFeatures, attention: Attention | None
    ) -> None:
        looked = attention.map(features.entire, features.puzzled) if attention else None
        pictures = draw_pictures(onset.image, apex.image, features, looked)
        for name in NAMES:
            if getattr(pictures, name) is None:
                continue
            path = self.path / FACES / f"{self._count:04d}-{name}.png"
            good, data = cv2.imencode(".png", getattr(pictures, name))
            try:
                if good:
                    write_file(path, data.tobytes(), private=True)
            except OSError as error:
                self._pictures_lost += 1
                self._warn(FACES, error)
                return

    def _warn(self, name: str, error: BaseException | None) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        if (name, reason) in self._warned:
            return
        self._warned.add((name, reason))
        self.warnings.append(
            f"{self.path / name}: cannot be written ({reason}); the session goes on, check disk and folder"
        )


def check_new(path: Path) -> None:
    """AtmeError where something is in the way of a new session folder."""
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise AtmeError("exists", f"{path}: not empty, and recordings are never mixed; name a new folder")
