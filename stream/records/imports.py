"""``atme import``: turns annotations corrected in another program into a review.

Each annotation is matched with the movement of the session that it overlaps best, by at least half of each;
without a match it is a movement that the program missed. A micro-expression of the session without an
annotation was removed by the coder, which counts as the decision no.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, open_received, parse
from spotting.reviews.consensus import SAME
from spotting.reviews.decision import FARTHEST, LABELS, LONGEST_NOTE, CodedUnit, Decision
from spotting.reviews.unit_text import read_coded
from stream.event import MicroExpression
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import Named, named_movements

LARGEST = 256 * MIB
_LABELS = frozenset(LABELS)


@dataclass(frozen=True)
class Annotation:
    """One interval of the other program; seconds on the session's clock."""

    onset: float
    offset: float
    text: str
    """The class, if any."""
    apex: float | None = None
    units: tuple[CodedUnit, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Imported:
    """What a file contains."""

    decisions: tuple[Decision, ...]
    kept: int
    """Micro-expressions of the session that were kept, perhaps corrected."""
    removed: int
    """... that were removed."""
    promoted: int
    """Rejected movements that are now micro-expressions."""
    added: int
    """Movements that the program had missed."""


def read_annotations(session: RecordedSession, path: Path, kind: str) -> list[Annotation]:
    """``kind``: elan, boris or csv. AtmeError where the file is not in that format, or not as ``atme export``
    writes it."""
    try:
        with open_received(path, LARGEST, linked=True) as file:
            data = file.read(LARGEST)
    except FileNotFoundError:
        raise AtmeError("not-found", f"{path}: no such file; give the one that you have corrected") from None
    source = (session.about or {}).get("source") or {}
    pace = float(source.get("player_pace") or 1.0)
    try:
        found = _READERS[kind](data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, csv.Error) as error:
        raise AtmeError(
            "unreadable",
            f"{path}: not read as {kind} ({error}); give a corrected file that atme export has written",
        ) from None
    if kind != "csv":  # the others are read beside the video and use a player's times
        found = [_slowed(one, pace) for one in found]
    for one in found:
        if not (-FARTHEST < one.onset <= one.offset < FARTHEST):
            raise AtmeError(
                "unreadable", f"{path}: an annotation from {one.onset:g} to {one.offset:g} s; correct it"
            )
    return sorted(found, key=lambda one: one.onset)


def as_decisions(session: RecordedSession, annotations: Iterable[Annotation]) -> Imported:
    """Each annotation as a decision about the movement that it matches, or about a new one."""
    movements = named_movements(session)
    free = {one.id: one for one in movements}
    decisions: list[Decision] = []
    kept = promoted = added = 0
    for one in annotations:
        match = _best(one, free.values())
        if match is None:
            added += 1
            decisions.append(_decision(f"added-{added}", one, None))
            continue
        del free[match.id]
        kept += isinstance(match.event, MicroExpression)
        promoted += not isinstance(match.event, MicroExpression)
        decisions.append(_decision(match.id, one, match))
    removed = [one for one in free.values() if isinstance(one.event, MicroExpression)]
    for gone in removed:
        m = gone.movement
        decisions.append(Decision(gone.id, "no", m.onset, m.apex, max(m.offset, m.apex)))
    return Imported(tuple(decisions), kept, len(removed), promoted, added)


def _decision(name: str, one: Annotation, match: Named | None) -> Decision:
    apex = one.apex
    if apex is None:  # the program's own, where the annotation gives none
        apex = match.movement.apex if match is not None else (one.onset + one.offset) / 2
    label = one.text if one.text in _LABELS else None
    note = (
        one.note if label or one.text in ("", "uncertain") else " ".join(filter(None, (one.text, one.note)))
    )
    return Decision(
        name,
        "yes",
        round(one.onset, 6),
        round(min(max(apex, one.onset), one.offset), 6),
        round(one.offset, 6),
        label,
        one.units,
        note[:LONGEST_NOTE],
    )


def _best(one: Annotation, movements: Iterable[Named]) -> Named | None:
    def share(other: Named) -> float:
        m = other.movement
        shared = min(one.offset, m.offset) - max(one.onset, m.onset)
        both = max(one.offset, m.offset) - min(one.onset, m.onset)
        return max(shared, 0.0) / both if both > 0 else 0.0

    # Of an event and a rejected movement that overlap equally well, the event comes first.
    ranked = max(movements, key=lambda other: (share(other), other.event is not None), default=None)
    return ranked if ranked is not None and share(ranked) >= SAME else None


def _slowed(one: Annotation, pace: float) -> Annotation:
    apex = None if one.apex is None else one.apex / pace
    return Annotation(one.onset / pace, one.offset / pace, one.text, apex, one.units, one.note)


# ---- ELAN: tiers as export_elan writes them


def _elan(data: bytes) -> list[Annotation]:
    import xml.etree.ElementTree as tree

    if b"<!DOCTYPE" in data[:4096].upper() or b"<!ENTITY" in data.upper():
        raise ValueError("a document type, which ELAN never writes")
    try:
        root = tree.fromstring(data)
    except tree.ParseError as error:
        raise ValueError(str(error)) from None
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) / 1000
        for slot in root.iter("TIME_SLOT")
        if slot.get("TIME_VALUE")
    }
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for tier in root.iter("TIER"):
        rows = tiers.setdefault(tier.get("TIER_ID", ""), [])
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            first, last = slots.get(one.get("TIME_SLOT_REF1")), slots.get(one.get("TIME_SLOT_REF2"))
            if first is not None and last is not None:
                rows.append((first, last, (one.findtext("ANNOTATION_VALUE") or "").strip()))
    if "micro-expression" not in tiers:
        raise ValueError("no tier named micro-expression")
    # The apex is where rise and fall meet.
    apexes = [end for _, end, text in tiers.get("phase", []) if text == "rise"]
    units, notes = tiers.get("action units", []), tiers.get("note", [])
    return [
        Annotation(
            start, end, text, _within(apexes, start, end), _coded(units, start, end), _said(notes, start, end)
        )
        for start, end, text in tiers["micro-expression"]
    ]


def _within(times: list[float], start: float, end: float) -> float | None:
    return next((time for time in times if start - 1e-9 <= time <= end + 1e-9), None)


def _said(rows: list[tuple[float, float, str]], start: float, end: float) -> str:
    middle = (start + end) / 2
    return next((text for a, b, text in rows if a <= middle <= b), "")


def _coded(rows: list[tuple[float, float, str]], start: float, end: float) -> tuple[CodedUnit, ...]:
    return read_coded(_said(rows, start, end))[0]


# ---- BORIS: state events in pairs, apexes as point events


def _boris(data: bytes) -> list[Annotation]:
    project = parse(data)
    found: list[Annotation] = []
    for observation in project["observations"].values():
        rows = sorted((float(row[0]), str(row[2]), str(row[4])) for row in observation["events"])
        apexes = [time for time, code, _ in rows if code == "apex"]
        begun: dict[str, tuple[float, str]] = {}
        for time, code, comment in rows:
            if code in ("apex", "macro-expression"):
                continue
            if code not in begun:
                begun[code] = time, comment
                continue
            start, said = begun.pop(code)
            found.append(Annotation(start, time, code, _within(apexes, start, time), _in_comment(said)))
        if begun:
            raise ValueError(f"'{next(iter(begun))}' begins and does not end")
    return found


def _in_comment(comment: str) -> tuple[CodedUnit, ...]:
    marked = re.search(r"AU ([\w+]+)", comment)
    return read_coded(marked[1])[0] if marked else ()


# ---- a table as export_csv writes it; only onset and offset are needed


def _csv(data: bytes) -> list[Annotation]:
    text = data.decode("utf-8-sig", "replace")
    separator = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    if not {"onset", "offset"} <= set(rows.fieldnames or ()):
        raise ValueError("no columns onset and offset")
    found = []
    for row in rows:
        if (row.get("kind") or "micro") == "macro":
            continue
        apex = row.get("apex") or ""
        found.append(
            Annotation(
                _seconds(row["onset"]),
                _seconds(row["offset"]),
                (row.get("label") or "").strip(),
                _seconds(apex) if apex.strip() else None,
                read_coded(row.get("units") or "")[0],
                (row.get("note") or "").removeprefix("'").strip(),
            )
        )
    return found


def _seconds(text: str) -> float:
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no time")
    return value


_READERS: dict[str, Callable[[bytes], list[Annotation]]] = {"elan": _elan, "boris": _boris, "csv": _csv}
KINDS = tuple(_READERS)
