"""An ELAN document: a tier for labels, phases, confidence, regions, macro-expressions, rejections and marks.

Written by pympi (Lubbers & Torreira, https://github.com/dopefishh/pympi). ELAN counts in whole milliseconds.
"""

from __future__ import annotations

import mimetypes

from pympi.Elan import Eaf, to_string

from stream.records.export.foreign_text import plain_text
from stream.records.export.formats import Interval, apart, named_intervals
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import CodedExpression


def content(session: RecordedSession) -> bytes:
    """The recording, where it is known, is linked as the document's media."""
    document = Eaf(author="atme-live")
    document.remove_tier("default")
    for tier, intervals in tiers(session).items():
        document.add_tier(tier)
        for start, end, text in intervals:
            begin = round(1000 * start)
            document.add_annotation(tier, begin, max(round(1000 * end), begin + 1), text)
    if session.recording is not None and session.recording.is_file():
        kind = mimetypes.guess_type(session.recording.name)[0] or "video/mp4"
        name = plain_text(session.recording.name)
        document.add_linked_file(session.recording.absolute().as_uri(), relpath=name, mimetype=kind)
    _in_order(document)
    written: bytes = to_string(document, encoding="UTF-8")
    return written


def tiers(session: RecordedSession) -> dict[str, list[Interval]]:
    """Tier → its annotations, in seconds."""
    events = session.micros
    spans = named_intervals(events)
    found = {
        "micro-expression": spans,
        "phase": _phases(session),
        "confidence": [
            (a, b, event.recognition.share) for (a, b, _), event in zip(spans, events, strict=True)
        ],
        "region": [(a, b, e.candidate.region) for (a, b, _), e in zip(spans, events, strict=True)],
        "action units": [(a, b, e.facs) for (a, b, _), e in zip(spans, events, strict=True) if e.facs],
        # They have no label, so their annotations name the region that moved most.
        "macro-expression": apart([(e.onset, e.offset, e.candidate.region) for e in session.macros]),
        "rejected": apart([(r.movement.onset, r.movement.offset, r.reason) for r in session.rejections]),
        "mark": apart([(mark.time, mark.time + 0.1, mark.text or "mark") for mark in session.marks]),
    }
    coded = [(span, e) for span, e in zip(spans, events, strict=True) if isinstance(e, CodedExpression)]
    found["note"] = [(a, b, e.decision.note) for (a, b, _), e in coded if e.decision.note]
    return {
        tier: [(start, end, plain_text(text)) for start, end, text in intervals]
        for tier, intervals in found.items()
        if intervals or tier in _ALWAYS
    }


def _in_order(document: Eaf) -> None:
    """Numbers the time slots by time, as ELAN does; pympi numbers them in the order of annotations."""
    slots = sorted(document.timeslots.items(), key=lambda slot: slot[1])
    new = {old: f"ts{number}" for number, (old, _) in enumerate(slots, start=1)}
    document.timeslots = {new[old]: time for old, time in slots}
    for aligned, *_ in document.tiers.values():
        for name, (start, end, *rest) in aligned.items():
            aligned[name] = (new[start], new[end], *rest)


_ALWAYS = ("micro-expression", "phase", "confidence", "region")


def _phases(session: RecordedSession) -> list[Interval]:
    """Rise (onset to apex) and fall (apex to offset): where the two meet is the apex."""
    halves: list[Interval] = []
    for event in session.micros:
        halves += [(event.onset, event.apex, "rise"), (event.apex, event.offset, "fall")]
    return apart(halves)
