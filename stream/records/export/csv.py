"""One row per event with all numbers, for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
import math

from recognizer.recognition import CLASSES
from recognizer.units import NUMBERS, UNITS
from spotting.reviews.unit_text import write_coded
from stream.event import MicroExpression
from stream.records.export.foreign_text import cell_text
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import CodedExpression


def _openface(code: str) -> str:
    """``AU04``, as OpenFace names its columns."""
    return f"AU{NUMBERS[code]:02d}" if code in NUMBERS else code


COLUMNS = (
    *("event", "onset", "apex", "offset", "duration_ms", "onset_frame", "apex_frame", "offset_frame"),
    *("kind", "label", "confidence"),
    *(f"p_{name}" for name in CLASSES),
    *("score", "peak", "region", "decided", "latency_ms"),
    *(f"{_openface(code)}_{what}" for code in UNITS for what in ("p", "side", "px")),
)
CODED_COLUMNS = ("units", "note")
"""Further columns of a reviewed session."""


def content(session: RecordedSession) -> bytes:
    """Times in seconds, ``peak`` and the units' ``px`` in pixels of a 256-px face.

    An unknown number is an empty cell; for a macro-expression, so is everything that comes with a label.
    """
    file = io.StringIO(newline="")
    coded = any(isinstance(event, CodedExpression) for event in session.events)
    rows = csv.DictWriter(file, COLUMNS + CODED_COLUMNS * coded, extrasaction="ignore")
    rows.writeheader()
    for number, event in enumerate(session.events, start=1):
        cells = {
            **event.to_dict(),
            "event": number,
            "duration_ms": round(1000 * event.candidate.duration, 3),
        }
        if isinstance(event, MicroExpression):
            cells |= {f"p_{name}": share for name, share in event.probabilities.items()}
            for unit in event.recognition.units:
                column = _openface(unit.unit)
                cells |= {
                    f"{column}_p": round(unit.p, 4),
                    f"{column}_side": unit.side,
                    f"{column}_px": round(unit.px, 3),
                }
        if isinstance(event, CodedExpression):
            cells |= {"units": write_coded(event.decision.units), "note": event.decision.note}
        rows.writerow({name: _cell(cell) for name, cell in cells.items()})
    return file.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return cell_text(value)
    return "" if isinstance(value, float) and not math.isfinite(value) else value
