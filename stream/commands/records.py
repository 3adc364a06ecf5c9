"""``atme export`` and ``atme report``: a recorded session for other programs, and as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.console.plain_text import printable

if TYPE_CHECKING:
    from stream.records.recorded_session import RecordedSession

SessionArgument = Annotated[Path, typer.Argument(help="A session folder (--out), or an events.jsonl.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command()(export)
    app.command()(report)


def export(
    session: SessionArgument,
    format: Annotated[str, typer.Option(help="csv, elan, praat, vtt, srt, boris or megc.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; default: next to the events.")] = None,
    reviewed: Annotated[
        str | None,
        typer.Option(help="A coder, or consensus: export these decisions instead of the program's."),
    ] = None,
) -> None:
    """Export the events of a session for another program."""
    from stream.records.export.formats import export as write

    recorded = _read(session)
    if reviewed is not None:
        from stream.records.reviewed import as_reviewed, decisions_of

        recorded = as_reviewed(recorded, decisions_of(recorded, reviewed))
    path = write(recorded, format, out, reviewed or "")
    print(printable(f"{path}: {_count(recorded)}"))


def report(
    session: SessionArgument,
    out: Annotated[
        Path | None, typer.Option(help="The .html file; default: report.html in the session folder.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="The recording that was replayed, if it has moved since.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Show faces, saved or from the recording.")] = True,
) -> None:
    """Write a session as one page that opens anywhere, offline."""
    from recognizer.console.native_log import native_log
    from stream.records.report.gather import write_report

    recorded = _read(session)
    with native_log():
        path = write_report(recorded, out, video, pictures=pictures)
    print(printable(f"{path}: {_count(recorded)}"))


def _read(path: Path) -> RecordedSession:
    from stream.records.recorded_session import read_session

    recorded = read_session(path)
    for note in recorded.notes:
        print(printable(f"atme: {path}: {note}"), file=sys.stderr)
    return recorded


def _count(recorded: RecordedSession) -> str:
    number = len(recorded.events)
    return f"{number} event" if number == 1 else f"{number} events"
