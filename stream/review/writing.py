"""Appends a coder's decisions to ``review-CODER.jsonl``: on disk before the page gets its answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

from recognizer.errors import AtmeError
from spotting.reviews.decision import Decision, ReviewLine, standing
from spotting.reviews.file import read_review, review_path
from stream.outputs.line_file import LineFile
from stream.records.about_session import utc_now

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]


class ReviewWriter:
    """One coder's file in one session folder, locked against other processes; may be used from any thread."""

    def __init__(self, session: Path, coder: str) -> None:
        """AtmeError where it cannot be read or written, or another process has locked it."""
        self.path = review_path(session, coder)
        self.coder = coder
        self._lock = Lock()
        review = read_review(session, coder)
        self._lines = list(review.lines)
        self._next = review.last_number + 1
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise AtmeError(
                "unwritable",
                f"{self.path}: cannot be written ({error.strerror}); check the folder's permissions",
            ) from None
        _hold(descriptor, self.path)
        self._file = LineFile(FileIO(descriptor, "ab"), sync=True)
        if review.cut_off:
            self._cut(session)

    @property
    def standing(self) -> dict[str, Decision]:
        """Movement → the decision that counts."""
        with self._lock:
            return standing(self._lines)

    @property
    def added(self) -> int:
        """How many movements the coder has added so far, including undone ones."""
        with self._lock:
            return len({d.movement for line in self._lines if (d := line.decision) and d.added})

    def decide(self, decision: Decision) -> ReviewLine:
        """Appends it; when this returns, it is on disk. AtmeError where it cannot be written."""
        return self._append(lambda number: ReviewLine(number, utc_now(), decision))

    def undo(self) -> str | None:
        """Undoes the newest decision; returns its movement, or None where none is left."""
        with self._lock:
            gone = {line.undoes for line in self._lines if line.decision is None}
            left = [line for line in self._lines if line.decision is not None and line.number not in gone]
        if not left:
            return None
        newest = left[-1]
        assert newest.decision is not None
        self._append(lambda number: ReviewLine(number, utc_now(), None, newest.number))
        return newest.decision.movement

    def close(self) -> None:
        """Closes the file."""
        with suppress(OSError):
            self._file.close()

    def _append(self, build: Callable[[int], ReviewLine]) -> ReviewLine:
        with self._lock:
            line = build(self._next)
            self._next += 1
            data = json.dumps(_plain(line.to_dict()), ensure_ascii=False, allow_nan=False)
            try:
                self._file.write(data.encode("utf-8", "backslashreplace") + b"\n")
            except OSError as error:
                # It stays in memory and is tried again with the next one.
                self._lines.append(line)
                raise AtmeError(
                    "unwritable",
                    f"{self.path}: the decision is not on the disk ({error.strerror}); make room: it is "
                    "written with the next one",
                ) from error
            self._lines.append(line)
            return line

    def _cut(self, session: Path) -> None:
        """Removes an incomplete last line, as a power cut leaves it; complete lines are never touched."""
        data = self.path.read_bytes()
        os.truncate(self.path, data.rstrip(b"\n").rfind(b"\n") + 1)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None or name == "label"}


def _hold(descriptor: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AtmeError(
            "busy",
            f"{path}: another atme review has opened it; continue there, end it, or name another --coder",
        ) from None
    except OSError:  # a file system without locks
        pass
