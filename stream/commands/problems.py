"""Problems in a running session, each reported once, immediately; and what is not on disk at its end."""

from __future__ import annotations

from collections.abc import Sequence

from recognizer.console.native_log import say
from recognizer.errors import AtmeError
from stream.outputs.event_log import EventLog
from stream.records.records import Records
from stream.session import Session


class Problems:
    """Collects the warnings of a session and of its records."""

    def __init__(self, session: Session, records: Records, log: EventLog | None, *, at_once: bool) -> None:
        """``at_once``: on stderr as soon as they arise; otherwise ``say`` prints them at the end."""
        self._session = session
        self._records = records
        self._log = log
        self._at_once = at_once
        self._said: set[str] = set()

    def known(self) -> tuple[str, ...]:
        """One line each, by origin."""
        log = self._log.problems if self._log else ()
        return (*self._session.warnings, *self._records.warnings, *log)

    def update(self, more: Sequence[str] = ()) -> tuple[str, ...]:
        """``known`` and ``more``; new ones are printed if ``at_once``."""
        known = self.known()
        if self._at_once:
            self.say((*known, *more))
        return known

    def say(self, warnings: Sequence[str]) -> None:
        """Prints each once, as a line on stderr."""
        for warning in warnings:
            if warning not in self._said:
                self._said.add(warning)
                say(f"atme: {self._session.source.name}: {warning}")

    def unwritten(self) -> tuple[str, ...]:
        """What is not on disk at this moment, counted."""
        return (*(self._log.unwritten if self._log else ()), *self._records.unwritten)

    def check(self, printed: Sequence[str] = ()) -> None:
        """After everything is closed. AtmeError where something is not on disk, or was not ``printed``."""
        if lost := (*self.unwritten(), *printed):
            raise AtmeError(
                "unwritable",
                f"{self._session.source.name}: not written: {'; '.join(lost)}; "
                "make room and check the folder before the next session",
            )
