"""What each key does, and what the keys have changed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stream.live_session import LiveSession
from stream.outputs.sound import Sound
from stream.overlay.drawing.half_blocks import Ink
from stream.overlay.extras import Extras
from stream.overlay.onlooker import Onlooker
from stream.status import Status

NOTICE_S = 4.0
"""Seconds that the answer to a key stays in the state line."""
LATELY_S = 3.0
"""Seconds that dropped frames are shown as an alarm."""
MARKS = 100


@dataclass(frozen=True)
class Reach:
    """What the overlay can use besides the session; all of it is optional."""

    onlooker: Onlooker | None = None
    """The session's observer; without it there are no images and no rejected movements."""
    mark: Callable[[float], bool] | None = None
    """Keeps a moment, in seconds on the source's clock; False where there is no folder to keep it in."""
    sound: Sound | None = None
    folder: Path = Path()
    """For snapshots."""
    warnings: Callable[[], Sequence[str]] = tuple
    """Warnings so far, one line each; a new one is shown as it comes."""
    unwritten: Callable[[], Sequence[str]] = tuple
    """What is not on disk at this moment, counted; shown while that lasts."""


class Controls:
    """Keys in, ``Extras`` for the screen out. For the main thread."""

    def __init__(
        self, session: LiveSession, reach: Reach, ink: Ink, list_rejected: bool, show_macros: bool = False
    ) -> None:
        self._session = session
        self._reach = reach
        self._ink = ink
        self._marks: deque[float] = deque(maxlen=MARKS)
        self._help = False
        self._list_rejected = list_rejected
        self._show_macros = show_macros
        self._notice, self._notice_until = "", 0.0
        self._sound_problem: str | None = None
        self._warned: set[str] = set()
        self._drops: deque[tuple[float, int]] = deque()
        self.snapshot_wanted = False
        """Set by its key; the loop that draws the screen answers it."""

    def press(self, key: str) -> None:
        """One character from the keyboard; unknown ones do nothing. ``q`` is not handled here."""
        if key == "p":
            (self._session.resume if self._session.status().paused else self._session.pause)()
        elif key == "m":
            self._mark()
        elif key == "s" and self._reach.sound is not None:
            sound = self._reach.sound
            sound.turn(not sound.on)
            self._sound_problem = None  # reported again if it fails again
            self.tell("sound on" if sound.on else "sound off")
        elif key == "c":
            self.snapshot_wanted = self._reach.onlooker is not None
        elif key == "r":
            self._list_rejected = not self._list_rejected
        elif key in ("h", "?"):
            self._help = not self._help

    def tell(self, words: str) -> None:
        """Shows words in the state line for a while."""
        self._notice, self._notice_until = words, time.monotonic() + NOTICE_S

    def extras(self, status: Status) -> Extras:
        """What the screen shows besides the status at this moment."""
        onlooker, sound = self._reach.onlooker, self._reach.sound
        problem = sound.problem if sound is not None else None
        if problem is not None and problem != self._sound_problem:
            self.tell(problem)  # once
        self._sound_problem = problem
        for warning in self._reach.warnings():
            if warning not in self._warned:
                self._warned.add(warning)
                self.tell(warning)
        shown = Extras(
            marks=tuple(self._marks),
            unwritten="; ".join(self._reach.unwritten()),
            dropped_lately=self._dropped_lately(status.dropped),
            notice=self._notice if time.monotonic() < self._notice_until else "",
            sound=None if sound is None else sound.on,
            list_rejected=self._list_rejected,
            macros=self._show_macros or self._list_rejected,
            help=self._help,
            ink=self._ink,
        )
        if onlooker is None:
            return shown
        return replace(
            shown,
            pictures=True,
            rejections=onlooker.rejections,
            face=onlooker.face if status.state != "no face" else None,
            motion=onlooker.motion,
        )

    def _mark(self) -> None:
        moment = self._session.status().time
        self._marks.append(moment)
        kept = self._reach.mark is not None and self._reach.mark(moment)
        self.tell(f"mark at {moment:.3f} s" + ("" if kept else ", not kept: no --out"))

    def _dropped_lately(self, dropped: int) -> int:
        now = time.monotonic()
        self._drops.append((now, dropped))
        while now - self._drops[0][0] > LATELY_S:
            self._drops.popleft()
        return dropped - self._drops[0][1]
