"""The sessions that one ``atme review`` shows: one, or those of a folder; each is opened when first shown."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from recognizer.errors import AtmeError
from stream.batch.session_names import session_names
from stream.records.find_sessions import has_sessions, sessions_in
from stream.review.loops.workshop import Workshop
from stream.review.opened import Opened
from stream.review.server.replaying import Replaying


class Shelf:
    """May be used from any thread."""

    def __init__(
        self,
        paths: list[Path],
        coder: str,
        *,
        blind: bool,
        video: Path | None = None,
        replaying: Replaying | None = None,
    ) -> None:
        """``video``: the recording, if there is one session and it has moved; ``replaying``: makes the
        session if it does not exist yet."""
        self.plain = Workshop()
        self.magnified = Workshop(after=self.plain)
        self._replaying = replaying
        self._paths, self._coder, self._blind, self._video = paths, coder, blind, video
        self._opened: dict[int, Opened] = {}
        self._lock = Lock()

    def open(self, number: int) -> Opened:
        """The session with this number. AtmeError where there is none, or it cannot be reviewed."""
        if not 0 <= number < len(self._paths):
            raise AtmeError("not-found", f"session {number}: there is none; reload the page")
        if self._replaying is not None:
            self._replaying.check()
        with self._lock:
            if number not in self._opened:
                self._opened[number] = Opened(self._paths[number], self._coder, self._blind, self._video)
            return self._opened[number]

    def listed(self) -> list[dict[str, Any]]:
        """Name and progress of each."""
        return [self._entry(number) for number in range(len(self._paths))]

    def summary(self) -> list[str]:
        """A line for each opened session: how much of it is decided, and in which file."""
        lines = []
        for opened in self._opened.values():
            done = opened.progress()
            added = f", {done['added']} added" if done["added"] else ""
            lines.append(f"{opened.writer.path}: {done['decided']} of {done['movements']} decided{added}")
        return lines

    def close(self) -> None:
        """Ends the workshops, then closes the sessions."""
        self.plain.close()
        self.magnified.close()
        for opened in self._opened.values():
            opened.close()

    def _entry(self, number: int) -> dict[str, Any]:
        entry: dict[str, Any] = {"number": number, "name": self._paths[number].name, "error": ""}
        if self._replaying is not None and self._replaying.share is not None:
            return {**entry, "replayed": self._replaying.share}
        try:
            return {**entry, **self.open(number).progress()}
        except AtmeError as error:
            return {**entry, "error": str(error), "code": error.code}


def shelf_of(
    what: Path, coder: str, *, blind: bool, video: Path | None = None, out: Path | None = None
) -> Shelf:
    """A session, a folder of sessions, or a recording, whose session is made first.

    ``out``: the folder of that session; by default named after the recording, here. AtmeError where nothing
    can be reviewed.
    """
    if what.is_dir() and has_sessions(what):
        paths = sessions_in(what)
        if video is not None and len(paths) > 1:
            raise AtmeError("invalid", "--video names one recording; give one session with it")
        shelf = Shelf(paths, coder, blind=blind, video=video)
        if len(paths) == 1:
            shelf.open(0)  # whatever is wrong with it is reported at once
        return shelf
    if what.suffix == ".jsonl":
        raise AtmeError(
            "invalid", f"{what}: an event log alone cannot be reviewed; give the session's folder"
        )
    if not what.exists():
        raise AtmeError("not-found", f"{what}: no such session or recording; check the path")
    folder = out or Path(session_names([what])[0])
    return Shelf([folder], coder, blind=blind, replaying=Replaying(what, folder))
