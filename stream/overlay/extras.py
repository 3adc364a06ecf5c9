"""What the overlay shows besides the session's status and its events."""

from __future__ import annotations

from dataclasses import dataclass

from recognizer.face import Gray
from spotting.candidate import Rejection
from stream.overlay.drawing.half_blocks import Ink
from stream.overlay.onlooker import EventMotion

RICH = Ink()
"""A terminal that can show everything."""


@dataclass(frozen=True)
class Extras:
    """Everything is optional: what is missing is not drawn."""

    rejections: tuple[Rejection, ...] = ()
    """Movements rejected, oldest first."""
    marks: tuple[float, ...] = ()
    """Moments that the user marked, seconds on the source's clock."""
    face: Gray | None = None
    motion: EventMotion | None = None
    pictures: bool = False
    """Whether images can be shown."""
    unwritten: str = ""
    """What should be on disk and is not."""
    dropped_lately: int = 0
    """Frames dropped in the last seconds."""
    notice: str = ""
    """An answer to the last key, in words."""
    sound: bool | None = None
    """On or off; None where this session has none."""
    list_rejected: bool = False
    macros: bool = False
    """Whether macro-expressions are shown."""
    help: bool = False
    ink: Ink = RICH
