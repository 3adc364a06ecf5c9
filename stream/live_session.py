"""What the outputs need from a running session: the interface shared by overlay and line output."""

from __future__ import annotations

from typing import Protocol

from stream.event import Expression
from stream.status import Status


class LiveSession(Protocol):
    """A running session as its viewers see it; ``stream.session.Session`` is the real one."""

    @property
    def running(self) -> bool:
        """False once the source ended (or ``stop`` took effect) and every event was delivered."""
        ...

    def poll(self, timeout: float) -> Expression | None:
        """Wait up to ``timeout`` seconds for the next event; a worker's error is raised here."""
        ...

    def status(self) -> Status:
        """A snapshot for the display."""
        ...

    def pause(self) -> None:
        """Ignore frames until ``resume``."""
        ...

    def resume(self) -> None:
        """Continue after ``pause``."""
        ...

    def stop(self, why: str = ...) -> None:
        """End the session early; what was already spotted may still be delivered. ``why``: for records."""
        ...
