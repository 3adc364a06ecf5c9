"""A Praat TextGrid: a tier of labelled intervals, one of their phases, and a point tier of the apexes.

Written by pympi (Lubbers & Torreira, https://github.com/dopefishh/pympi).
"""

from __future__ import annotations

from pathlib import Path

from pympi.Praat import TextGrid

from stream.records.export_elan import tiers
from stream.records.recorded_session import RecordedSession


def write(session: RecordedSession, path: Path) -> None:
    """Seconds from 0 to the end of the session."""
    spans = tiers(session)
    end = max([session.duration, *(stop for intervals in spans.values() for _, stop, _ in intervals)])
    grid = TextGrid(xmin=0, xmax=end)
    for name, intervals in spans.items():
        tier = grid.add_tier(name)
        for start, stop, text in intervals:
            tier.add_interval(start, stop, text)
    apexes = grid.add_tier("apex", tier_type="TextTier")
    for event in session.micros:
        apexes.add_point(event.apex, event.label)
    grid.to_file(str(path))
