"""The report's section on reviews: the coders' decisions beside the program's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from recognizer.errors import AtmeError
from spotting.reviews.consensus import aligned
from spotting.reviews.decision import Decision
from spotting.reviews.file import coders_of, read_review
from spotting.reviews.unit_text import write_coded
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import Named, named_movements
from stream.wording import clock

MOST_ROWS = 1000
Reviews = Mapping[str, Mapping[str, Decision]]


def reviews(session: RecordedSession) -> str:
    """HTML; empty where nobody has reviewed the session."""
    if not session.path.is_dir() or not (coders := coders_of(session.path)):
        return ""
    try:
        decided = {coder: read_review(session.path, coder).standing for coder in coders}
    except AtmeError as error:
        return f"<section><h2>Reviewed</h2><p class='note'>{escape(str(error))}</p></section>"
    return f"""<section id="reviewed"><h2>Reviewed</h2>
{_counts(session, decided)}
{_rows(session, aligned(decided))}
{_agreement(session, decided)}</section>"""


def _counts(session: RecordedSession, decided: Reviews) -> str:
    total = len(session.events) + len(session.rejections)
    lines = []
    for coder, said in decided.items():
        counts = {
            verdict: sum(d.verdict == verdict for d in said.values()) for verdict in ("yes", "no", "unsure")
        }
        added = sum(d.added for d in said.values())
        lines.append(
            f"<p><b>{escape(coder)}</b> has decided {len(said) - added} of {total} movements: "
            f"{counts['yes']} yes ({added} of them not seen by the program), {counts['no']} no, "
            f"{counts['unsure']} unsure.</p>"
        )
    return "".join(lines)


def _rows(session: RecordedSession, decided: Reviews) -> str:
    """One row for each movement that the program or a coder called a micro-expression."""
    rows: list[tuple[float, str]] = []
    for one in named_movements(session):
        said = [mine.get(one.id) for mine in decided.values()]
        reported = one.reason is None and one.movement.kind == "micro"
        if reported or any(d is not None and d.verdict == "yes" for d in said):
            rows.append((one.movement.onset, _row(one.movement.onset, _program(one), said)))
    found = dict.fromkeys(d.movement for mine in decided.values() for d in mine.values() if d.added)
    for name in found:
        said = [mine.get(name) for mine in decided.values()]
        onset = min(d.onset for d in said if d is not None)
        rows.append((onset, _row(onset, "not seen", said)))
    if not rows:
        return ""
    rows.sort(key=lambda row: row[0])
    more = f"<p class='hint'>and {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    heads = "".join(f"<th>{escape(coder)}</th>" for coder in decided)
    body = "".join(row for _, row in rows[:MOST_ROWS])
    return f"<table class='facts'><tr><th>onset</th><th>program</th>{heads}</tr>{body}</table>{more}"


def _row(onset: float, program: str, said: list[Decision | None]) -> str:
    cells = "".join(f"<td>{_said(one)}</td>" for one in said)
    return f"<tr><td>{clock(onset)}</td><td>{escape(program)}</td>{cells}</tr>"


def _program(one: Named) -> str:
    return f"rejected: {one.reason}" if one.event is None else one.event.name


def _said(one: Decision | None) -> str:
    if one is None:
        return "<span class='quiet'>–</span>"
    parts = [one.verdict, one.label or "", write_coded(one.units), one.note[:200]]
    return escape(", ".join(part for part in parts if part))


def _agreement(session: RecordedSession, decided: Reviews) -> str:
    # Statistics are not needed for a report without reviews.
    from stream.review.agreement import TIMES, agreement
    from stream.review.agreement_view import share, shift

    found = agreement([(session, decided)])
    rows = [
        (f"program against {one.coder}", f"precision {share(one.precision)}, recall {share(one.recall)}")
        for one in found.program
    ]
    for pair in found.pairs:
        times = ", ".join(f"{name} {shift(pair.shifts_ms[name])}" for name in TIMES)
        figures = f"κ yes / no {share(pair.verdict)}, κ class {share(pair.label)}, FACS {share(pair.units)}"
        rows.append((f"{pair.coders[0]} and {pair.coders[1]}", f"{figures}; {times}"))
    table = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    return f"<h3>Agreement</h3><table class='facts'>{table}</table>"
