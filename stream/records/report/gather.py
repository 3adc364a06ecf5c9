"""``atme report``: gathers a session's numbers and images and writes them as one HTML file."""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognizer.errors import AtmeError
from recognizer.face import NoFaceError
from recognizer.feature import FeatureExtractor
from recognizer.files.received import MIB
from recognizer.network.attention import Attention
from recognizer.network.backend import DEFAULT_WEIGHTS
from stream.event import Expression, MicroExpression
from stream.frame import Image
from stream.labels import look_of
from stream.records.about_session import sha256_of
from stream.records.export.output_file import check_name, write_output
from stream.records.fingerprint import fingerprint
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.records.report.event_pictures import NAMES, EventPictures, draw_pictures, read_event_picture
from stream.records.report.page import page
from stream.sources import open_recording

_OURS = re.compile(rb"<meta name=\"generator\" content=\"atme-live\">")
"""How the head of each report begins."""

_LARGEST_WEIGHTS = 64 * MIB

Thumbnails = dict[str, str]
"""Name of the image → its data URI."""


def write_report(
    session: RecordedSession, out: Path | None = None, video: Path | None = None, *, pictures: bool = True
) -> Path:
    """One HTML file that needs nothing else: ``report.html`` in the session's folder, or ``out``.

    Images come from the session's saved faces; without those, from ``video`` or the recording that the
    session names, if it is still there; ``pictures=False`` leaves them out, for a report that is passed on.
    AtmeError where ``video`` does not fit or ``out`` cannot be written.
    """
    if out is None:
        folder = session.path if session.path.is_dir() else session.path.parent
        out = folder / "report.html"
    check_name(out, (".html", ".htm"))
    images = thumbnails(session, video) if pictures else [None] * len(session.events)
    html = page(session, images, timeline(session))
    # A lone surrogate, as in names that are not UTF-8, is written as a question mark.
    return write_output(out, html.encode("utf-8", "replace"), _OURS, private=any(images))


def timeline(session: RecordedSession) -> dict[str, Any]:
    """The data for the page's script: compact, times in seconds, distances in pixels of a 256-px face."""
    events = [
        {
            "onset": round(event.onset, 4),
            "apex": round(event.apex, 4),
            "offset": round(event.offset, 4),
            "kind": event.candidate.kind,
            "label": event.name,
            "share": event.recognition.share if isinstance(event, MicroExpression) else "",
            "symbol": look_of(event.name).symbol,
            "colour": look_of(event.name).colour,
        }
        for event in session.events
    ]
    rejected = [
        {
            "onset": round(r.movement.onset, 4),
            "apex": round(r.movement.apex, 4),
            "offset": round(r.movement.offset, 4),
            "reason": r.reason,
        }
        for r in session.rejections
    ]
    marks = [{"time": round(mark.time, 4), "text": mark.text} for mark in session.marks]
    gaps = [
        {"onset": round(gap.start, 4), "offset": round(gap.end, 4), "reason": gap.reason}
        for gap in session.gaps
    ]
    curve = _curve(session.motion) if session.motion is not None and len(session.motion) else None
    return {
        "duration": round(session.duration, 4),
        "events": events,
        "rejected": rejected,
        "marks": marks,
        "gaps": gaps,
        "curve": curve,
    }


def thumbnails(session: RecordedSession, video: Path | None = None) -> list[Thumbnails | None]:
    """Images of each event, None where there are none."""
    if video is None and session.faces is not None:
        return _saved(session)
    recording = video or _replayed(session)
    if recording is None or not session.events:
        return [None] * len(session.events)
    return _from_recording(session, recording, needed=video is not None)


def _replayed(session: RecordedSession) -> Path | None:
    """The recording that the session names, if its content matches: a received folder may name any file."""
    known = ((session.about or {}).get("source") or {}).get("fingerprint")
    recording = session.recording
    return recording if recording and known and fingerprint(recording) == known else None


def _curve(motion: Motion) -> dict[str, list[float | None]]:
    return {
        "time": [_rounded(t, 4) for t in motion.time],
        "signal": [_rounded(s, 3) for s in motion.signal],
        "threshold": [_rounded(t, 3) for t in motion.threshold],
        "face": [int(f) for f in motion.face],
    }


def _rounded(value: float, digits: int) -> float | None:
    """None where it is not finite, such as a threshold before the face is known: JSON cannot express it."""
    return round(float(value), digits) if math.isfinite(value) else None


def _saved(session: RecordedSession) -> list[Thumbnails | None]:
    assert session.faces is not None
    found: list[Thumbnails | None] = []
    for number in _written_order(session.events):
        paths = {name: session.faces / f"{number:04d}-{name}.png" for name in NAMES}
        pictures = {name: read_event_picture(path) for name, path in paths.items() if os.path.lexists(path)}
        found.append({name: _uri(picture) for name, picture in pictures.items()} or None)
    return found


def _written_order(events: tuple[Expression, ...]) -> list[int]:
    """For each event, in order of onset, its number among the images, which follow the order of decisions."""
    order = sorted(range(len(events)), key=lambda k: events[k].candidate.decided)
    numbers = [0] * len(events)
    for number, k in enumerate(order, start=1):
        numbers[k] = number
    return numbers


def _from_recording(session: RecordedSession, recording: Path, *, needed: bool) -> list[Thumbnails | None]:
    pairs = [
        event.compared if isinstance(event, MicroExpression) else event.candidate.onset_and_apex
        for event in session.events
    ]
    wanted = {number for pair in pairs for number in pair}
    frames = _frames(recording, wanted)
    if needed and not wanted <= frames.keys():
        raise AtmeError(
            "mismatch", f"{recording}: ends before the last event; give the recording that was replayed"
        )
    extractor, attention = FeatureExtractor(), _attention(session)
    found: list[Thumbnails | None] = []
    try:
        for event, (onset, apex) in zip(session.events, pairs, strict=True):
            looked = attention if isinstance(event, MicroExpression) else None
            found.append(_pictures(extractor, looked, frames.get(onset), frames.get(apex)))
    finally:
        extractor.close()
    return found


def _pictures(
    extractor: FeatureExtractor, attention: Attention | None, onset: Image | None, apex: Image | None
) -> Thumbnails | None:
    if onset is None or apex is None:
        return None
    try:
        features = extractor.extract(onset, apex)
    except NoFaceError:
        return None
    looked = attention.map(features.entire, features.puzzled) if attention else None
    return _uris(draw_pictures(onset, apex, features, looked))


def _attention(session: RecordedSession) -> Attention | None:
    """Attention of the same weights that the session used; None where they are not available."""
    about = session.about or {}
    named = ((about.get("settings") or {}).get("recognizer") or {}).get("weights")
    weights = Path(named or DEFAULT_WEIGHTS)
    if not weights.is_file() or weights.stat().st_size > _LARGEST_WEIGHTS:
        return None
    same = sha256_of(weights) == (about.get("weights") or {}).get("sha256")
    return Attention(weights) if same else None


def _frames(recording: Path, wanted: Iterable[int]) -> dict[int, Image]:
    """The frames with these numbers, as the session counted them."""
    left, found = set(wanted), {}
    with open_recording(recording) as source:
        while left and (frame := source.read()) is not None:
            if frame.index in left:
                left.remove(frame.index)
                found[frame.index] = np.array(frame.image)
    return found


def _uris(pictures: EventPictures) -> Thumbnails:
    drawn = {field.name: getattr(pictures, field.name) for field in fields(pictures)}
    return {name: _uri(picture) for name, picture in drawn.items() if picture is not None}


def _uri(picture: Image) -> str:
    good, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not good:
        raise AtmeError(
            "unreadable",
            "an image of the session cannot be encoded; make the report without its faces folder",
        )
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
