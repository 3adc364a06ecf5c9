"""Makes the session of a recording while its page is already open."""

from __future__ import annotations

import threading
from pathlib import Path

from recognizer.errors import AtmeError
from stream.batch.jobs import Job, Outcome, run_job
from stream.settings import load_settings


class Replaying:
    """Replays at ``keen``, on a thread of its own; from any thread. An unfinished session is made again."""

    def __init__(self, recording: Path, folder: Path) -> None:
        """AtmeError for settings that cannot be read."""
        self._job = Job(Path(recording).absolute(), folder, load_settings(None, "keen"))
        self._share = 0.0
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._work, name="replay", daemon=True)
        self._thread.start()

    @property
    def share(self) -> float | None:
        """How much is done, 0–1; None once it is over, well or not."""
        return None if self._outcome is not None else self._share

    def check(self) -> None:
        """AtmeError while it is running, and where it has failed."""
        if self._outcome is None:
            raise AtmeError(
                "busy", f"{self._job.recording.name}: still being replayed; reload the page later"
            )
        if (failure := self._outcome.error) is not None:
            raise AtmeError(failure.code, str(failure))

    def _work(self) -> None:
        try:
            self._outcome = run_job(self._job, self._report)
        except BaseException as error:  # the page needs an end of some kind
            failure = AtmeError("internal", f"{self._job.recording.name}: {error}")
            self._outcome = Outcome(self._job, "failed", error=failure)
            raise

    def _report(self, share: float) -> None:
        self._share = share
