"""A session under review: its movements, its recording, and its coder's decisions."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from recognizer.errors import AtmeError
from recognizer.landmarks import Landmarker
from spotting.reviews.decision import Decision
from stream.labels import look_of
from stream.records.recorded_session import RecordedSession, read_session
from stream.review.candidates import Movement, movements_of
from stream.review.loops.loop import Loop, from_onset, make_loop, plain
from stream.review.loops.magnify import packed
from stream.review.loops.motion_field import FaceMotion, bounded, measure
from stream.review.video.clips import ClipReader
from stream.review.video.find import VideoPlace, find_video, open_reader
from stream.review.video.recording import VideoReader
from stream.review.writing import ReviewWriter

AROUND_S = 0.3
"""Seconds; a loop begins this long before the onset and ends this long after the offset."""
LONGEST_S = 6.0
"""Seconds in one loop, at most."""
LOOPS_BYTES = 192 * 2**20
"""Memory for decoded frames, so that a plain loop need not be decoded again to be magnified."""
OVERVIEW = 2000
"""Points of the curve of a whole session."""


class Opened:
    """One session, one coder. Everything but ``plain`` may come from any thread."""

    def __init__(self, path: Path, coder: str, blind: bool, video: Path | None = None) -> None:
        """AtmeError where the session or the coder's file cannot be read, or another process has locked
        it."""
        self.session: RecordedSession = read_session(path)
        if not path.is_dir():
            raise AtmeError(
                "invalid", f"{path}: an event log alone cannot be reviewed; give the session's folder"
            )
        self.blind = blind
        self.movements = movements_of(self.session)
        self._by_id = {one.id: one for one in self.movements}
        self.writer = ReviewWriter(path, coder)
        self._lock = Lock()
        self._made: dict[str, int] = {}
        """Movement → the newest decision of this page about it."""
        self._revealed: set[str] = set()
        """Movements for which the coder has seen the program's decision."""
        self.tab = 0
        """The newest page that shows this session; older pages may not decide."""
        # Plain and magnified loops are made on threads of their own, each with a reader of its own.
        self._readers: dict[str, VideoReader | ClipReader] = {}
        self._landmarkers: dict[str, Landmarker] = {}
        self._loops_lock = Lock()
        self._loops: OrderedDict[tuple[float, float], Loop] = OrderedDict()
        self._measured: tuple[tuple[float, float, float], Loop, FaceMotion | None] | None = None
        self.place: VideoPlace = find_video(self.session, video)

    def close(self) -> None:
        """Closes the file; call it once the workshop has ended."""
        self.writer.close()
        for held in (*self._readers.values(), *self._landmarkers.values()):
            held.close()

    # ---- what the page reads

    def about(self) -> dict[str, Any]:
        """The session for a new page: movements, decisions, curve."""
        self.tab += 1
        self._made.clear()
        return {
            "name": self.session.path.resolve().name,
            "folder": str(self.session.path),
            "coder": self.writer.coder,
            "blind": self.blind,
            "tab": self.tab,
            "duration": self.session.duration,
            "video": {"found": self.place.path is not None, "problem": self.place.problem},
            "notes": list(self.session.notes),
            "movements": [self._listed(one) for one in self.movements],
            "decisions": {name: told(one) for name, one in self.writer.standing.items()},
            "overview": self._overview(),
        }

    def opinion(self, name: str, *, deciding: bool = False) -> dict[str, Any] | None:
        """The program's decision; None while it is hidden, and for a movement that the program missed.

        ``deciding``: the coder has not finished; a blind coder may still name class and units.
        """
        one = self._by_id.get(name)
        if one is None or (self.blind and (deciding or name not in self.writer.standing)):
            return None
        self._revealed.add(name)
        looks = look_of(one.label or one.opinion["verdict"])
        return {**one.opinion, "symbol": looks.symbol, "colour": looks.colour}

    def curve(self, start: float, end: float) -> dict[str, Any]:
        """The motion signal and its threshold between two times."""
        motion = self.session.motion
        if motion is None:
            return {"time": [], "signal": [], "threshold": []}
        first, last = np.searchsorted(motion.time, (start, end))
        return {
            "time": _numbers(motion.time[first:last], 4),
            "signal": _numbers(motion.signal[first:last], 3),
            "threshold": _numbers(motion.threshold[first:last], 3),
        }

    def progress(self) -> dict[str, int]:
        """How many movements there are, and how many are decided."""
        standing = self.writer.standing
        return {
            "movements": len(self.movements),
            "decided": sum(one.id in standing for one in self.movements),
            "added": sum(one.added for one in standing.values()),
        }

    # ---- what the page decides

    def decide(self, decision: Decision, made: int = 0) -> Decision:
        """Keeps a decision; a new movement gets its name. AtmeError for a movement that does not exist here.

        ``made``: number of the decision on its page; one that arrives after a later one about the same
        movement is ignored. 0: not numbered.
        """
        name = decision.movement
        with self._lock:
            if 0 < made < self._made.get(name, 0):
                return self.writer.standing[name]
            kept = self._keep(decision, name)
            self._made[kept.movement] = max(made, self._made.get(kept.movement, 0))
            return kept

    def _keep(self, decision: Decision, name: str) -> Decision:
        if name == "added-new":
            name = f"added-{self.writer.added + 1}"
        elif name not in self._by_id and name not in self.writer.standing:
            raise AtmeError("not-found", f"{name}: this session has no such movement; reload the page")
        kept = replace(decision, movement=name, blind=self.blind and name not in self._revealed)
        self.writer.decide(kept)
        return kept

    def undo(self) -> str | None:
        """Undoes the newest decision; returns its movement, or None where none is left."""
        with self._lock:
            return self.writer.undo()

    # ---- images; ``plain`` on one thread, ``magnified`` on another

    def span(self, name: str) -> tuple[float, float, float]:
        """Start, end and onset of a movement's loop. AtmeError where there is no such movement."""
        if name in self._by_id:
            movement = self._by_id[name].movement
            onset, offset = movement.onset, movement.offset
        elif name in (standing := self.writer.standing):
            onset, offset = standing[name].onset, standing[name].offset
        else:
            raise AtmeError("not-found", f"{name}: this session has no such movement; reload the page")
        return onset - AROUND_S, min(offset, onset + LONGEST_S) + AROUND_S, onset

    def plain(self, start: float, end: float, onset: float) -> bytes:
        """The images of a stretch, packed. AtmeError where the recording is not available or damaged."""
        return plain(self._loop(start, end, onset, "plain"), seeks=self.reader().seeks)

    def magnified(
        self,
        start: float,
        end: float,
        onset: float,
        times: float,
        pause: Callable[[], None] = lambda: None,
    ) -> bytes:
        """The same with its motion magnified, measured from ``onset``; errors as ``plain``.

        ``pause`` is called every few milliseconds; what it raises ends it.
        """
        where = (start, end, onset)
        if self._measured is None or self._measured[0] != where:
            loop = bounded(self._loop(*where, "magnified"))
            self._measured = where, loop, measure(loop, pause)
        return packed(*self._measured[1:], times, end - AROUND_S, pause)

    def _loop(self, start: float, end: float, onset: float, whose: str) -> Loop:
        """The stretch, read anew or from the cache."""
        if whose not in self._landmarkers:
            self._landmarkers[whose] = Landmarker(tracking=False)
        landmarker = self._landmarkers[whose]
        with self._loops_lock:
            found = self._loops.get((start, end))
        if found is not None:
            return from_onset(found, onset, landmarker)
        loop = make_loop(self.reader(whose).frames(start, end), onset, landmarker)
        with self._loops_lock:
            self._loops[start, end] = loop
            while len(self._loops) > 1 and sum(one.bytes for one in self._loops.values()) > LOOPS_BYTES:
                self._loops.popitem(last=False)
        return loop

    def reader(self, whose: str = "plain") -> VideoReader | ClipReader:
        """The reader, opened when it is first needed. AtmeError where there is no recording."""
        if whose not in self._readers:
            self._readers[whose] = open_reader(self.place, self.session)
        return self._readers[whose]

    def moved_to(self, video: Path) -> None:
        """Sets the recording's new place. AtmeError where that is another recording, or none."""
        place = find_video(self.session, video)
        for reader in self._readers.values():
            reader.close()
        self.place, self._readers, self._measured = place, {}, None
        with self._loops_lock:
            self._loops.clear()

    def _listed(self, one: Movement) -> dict[str, Any]:
        movement = one.movement
        known: dict[str, Any] = {
            "id": one.id,
            "onset": round(movement.onset, 6),
            "apex": round(movement.apex, 6),
            "offset": round(movement.offset, 6),
        }
        if not self.blind:
            known |= {
                "likely": round(one.likely, 4),
                "says": one.reason or one.label or movement.kind,
                "rejected": one.reason is not None,
            }
        return known

    def _overview(self) -> dict[str, Any]:
        """The greatest motion in each of at most ``OVERVIEW`` stretches of the session."""
        motion = self.session.motion
        if motion is None or not len(motion):
            return {"time": [], "signal": []}
        step = -(-len(motion) // OVERVIEW)
        edges = np.arange(0, len(motion), step)
        return {
            "time": _numbers(motion.time[edges], 3),
            "signal": _numbers(np.maximum.reduceat(motion.signal, edges), 3),
        }


def told(decision: Decision) -> dict[str, Any]:
    """A decision in the form that the page reads."""
    return json.loads(json.dumps(asdict(decision)))  # type: ignore[no-any-return]


def _numbers(values: Any, digits: int) -> list[float | None]:
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]
