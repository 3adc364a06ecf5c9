"""A session on the clock of a video player, for formats that are read beside the video.

The two differ only where the recording's own times were wrong: ``--fps``, ``--slow-motion``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spotting.candidate import Candidate
from stream.records.recorded_session import RecordedSession

_TIMES = ("onset", "apex", "offset", "decided")


def in_player_time(session: RecordedSession) -> RecordedSession:
    """The session with all times, and its recording's length and rate, as a player shows them."""
    about = session.about or {}
    source = about.get("source") or {}
    pace = source.get("player_pace", 1.0)
    if not isinstance(pace, (int, float)) or not 0 < pace < math.inf or pace == 1:
        return session

    def slowed(movement: Candidate) -> Candidate:
        return replace(movement, **{name: pace * getattr(movement, name) for name in _TIMES})

    motion = session.motion
    known = {name: source.get(name) or 0.0 for name in ("duration", "nominal_fps")}
    return replace(
        session,
        events=tuple(replace(event, candidate=slowed(event.candidate)) for event in session.events),
        rejections=tuple(replace(one, movement=slowed(one.movement)) for one in session.rejections),
        marks=tuple(replace(mark, time=pace * mark.time) for mark in session.marks),
        gaps=tuple(replace(gap, start=pace * gap.start, end=pace * gap.end) for gap in session.gaps),
        motion=None if motion is None else replace(motion, time=np.asarray(pace * motion.time)),
        about={
            **about,
            "seconds": pace * float(about.get("seconds") or 0.0),
            "source": {
                **source,
                "duration": pace * known["duration"] or None,
                "nominal_fps": known["nominal_fps"] / pace or None,
            },
        },
    )
