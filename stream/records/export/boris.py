"""A BORIS project with one observation: labels and macro-expressions as state events, apexes as point events.

Project format 7.0, which BORIS 7 and later open (https://www.boris.unito.it). A state event is written as a
pair, start and stop; its comment is the confidence.
"""

from __future__ import annotations

import json
from typing import Any

from recognizer.recognition import CLASSES, UNCERTAIN
from stream.event import MACRO, MicroExpression
from stream.labels import look_of
from stream.records.export.foreign_text import plain_text
from stream.records.export.formats import named_intervals
from stream.records.recorded_session import RecordedSession

APEX = "apex"
SUBJECT = ""
"""BORIS's "no focal subject"."""


_DESCRIPTIONS = {APEX: "peak of the movement", MACRO: "longer than a micro-expression, without a label"}


def content(session: RecordedSession) -> bytes:
    """Open it with File → Open project; the recording, where it is known, is the observation's player 1."""
    known = (*CLASSES, UNCERTAIN, MACRO)
    codes = [*known, *sorted({event.name for event in session.events} - {*known})]
    started = (session.about or {}).get("started") or "1970-01-01T00:00:00"
    project: dict[str, Any] = {
        "time_format": "hh:mm:ss",
        "project_date": started[:19],
        "project_name": session.name,
        "project_description": "Facial micro-expressions, spotted and labelled by atme-live",
        "project_format_version": "7.0",
        "subjects_conf": {},
        "behaviors_conf": {
            **{str(k): _behaviour(code, "State event", k) for k, code in enumerate(codes)},
            str(len(codes)): _behaviour(APEX, "Point event", len(codes)),
        },
        "observations": {session.name: _observation(session, started[:19])},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(_plain(project), ensure_ascii=False, indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {plain_text(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return plain_text(value) if isinstance(value, str) else value


def _behaviour(code: str, kind: str, number: int) -> dict[str, Any]:
    return {
        "type": kind,
        "key": str(number + 1),
        "code": code,
        "description": _DESCRIPTIONS.get(code, f"micro-expression, {code}"),
        "color": look_of(code).colour,
        "category": "",
        "modifiers": {},
        "excluded": "",
        "coding map": "",
    }


def _observation(session: RecordedSession, date: str) -> dict[str, Any]:
    media = session.recording if session.recording and session.recording.is_file() else None
    name = str(media) if media else None
    source = (session.about or {}).get("source", {})
    return {
        "file": {str(k): [name] if name and k == 1 else [] for k in range(1, 9)} if name else [],
        "type": "MEDIA" if name else "LIVE",
        "date": date,
        "description": f"{len(session.events)} events of {session.path.name}",
        "time offset": 0.0,
        "events": _events(session),
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "scan_sampling_time": 0,
        "start_from_current_time": False,
        "start_from_current_epoch_time": False,
        "media_info": {
            "length": {name: source.get("duration") or session.duration} if name else {},
            "fps": {name: source.get("nominal_fps") or 0.0} if name else {},
            "hasVideo": {name: True} if name else {},
            "hasAudio": {name: False} if name else {},
            "offset": {"1": 0.0} if name else {},
        },
    }


def _events(session: RecordedSession) -> list[list[Any]]:
    """[time, subject, code, modifier, comment], in order of time."""
    rows: list[list[Any]] = []
    for events in (session.micros, session.macros):
        for (start, end, name), event in zip(named_intervals(events), events, strict=True):
            share = f"{event.recognition.share}, " if isinstance(event, MicroExpression) else ""
            comment = share + event.candidate.region + (f", {event.facs}" if event.facs else "")
            rows.append([round(start, 3), SUBJECT, name, "", comment])
            rows.append([round(max(event.apex, start), 3), SUBJECT, APEX, "", name])
            rows.append([round(end, 3), SUBJECT, name, "", ""])
    return sorted(rows, key=lambda row: row[0])
