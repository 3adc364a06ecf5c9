"""A Praat TextGrid: a tier of labelled intervals, one of their phases, and a point tier of the apexes.

Written by pympi (Lubbers & Torreira, https://github.com/dopefishh/pympi).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pympi.Praat import TextGrid

from stream.records.export.elan import tiers
from stream.records.export.foreign_text import plain_text
from stream.records.recorded_session import RecordedSession


def content(session: RecordedSession) -> bytes:
    """Seconds from 0 to the end of the session."""
    spans = tiers(session)
    ends = [stop for intervals in spans.values() for _, stop, _ in intervals]
    ends += [event.apex + 0.001 * len(session.events) for event in session.events]
    end = max([session.duration, *ends])
    grid = TextGrid(xmin=0, xmax=end)
    for name, intervals in spans.items():
        tier = grid.add_tier(name)
        for start, stop, text in intervals:
            tier.add_interval(start, stop, text)
    apexes = grid.add_tier("apex", tier_type="TextTier")
    last = -1.0
    for event in sorted(session.events, key=lambda event: event.apex):
        last = max(event.apex, last + 0.001)  # a tier allows only one point at each time
        apexes.add_point(last, plain_text(event.name))
    with tempfile.TemporaryDirectory(prefix="atme-") as folder:  # pympi can write only to a path
        path = Path(folder) / "events.TextGrid"
        grid.to_file(str(path))
        return path.read_bytes()
