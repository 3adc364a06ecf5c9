"""``atme review``, ``atme agreement``, ``atme import``: what coders decide about a session."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError

CoderOption = Annotated[
    str | None, typer.Option(help="Your name as coder, for the file review-CODER.jsonl; default: your login.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command()(review)
    app.command()(agreement)
    app.command("import")(import_annotations)


def review(
    what: Annotated[
        Path, typer.Argument(help="A session folder (--out), a folder of sessions, or a recording.")
    ],
    coder: CoderOption = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Hide the program's decisions until you have decided.")
    ] = False,
    video: Annotated[
        Path | None, typer.Option(help="The recording that was replayed, if it has moved since.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Of a recording: the folder of its session; default: named after it, here."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Default: any free port.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the link; open no browser.")] = False,
) -> None:
    """Review each movement of a session in the browser, on a page served to this machine only."""
    from recognizer.console.native_log import native_log
    from stream.review.coder import coder_name
    from stream.review.server.serve import serve
    from stream.review.server.shelf import shelf_of

    name = coder_name(coder)
    with native_log():
        shelf = shelf_of(what, name, blind=blind, video=video, out=out)
        serve(shelf, port, open_browser=not no_open)
    for line in shelf.summary():
        print(printable(line))


def agreement(
    sessions: Annotated[list[Path], typer.Argument(help="Session folders, or folders of sessions.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """How far coders agree with one another, and with the program."""
    from stream.review.agreement import agreement as compare
    from stream.review.agreement import read_reviewed
    from stream.review.agreement_view import show

    found = compare(read_reviewed(sessions))
    if json:
        print(json_format.dumps(found.to_dict(), allow_nan=False, indent=1))
        return
    show(found)


def import_annotations(
    session: Annotated[Path, typer.Argument(help="The session folder that was exported.")],
    elan: Annotated[Path | None, typer.Option(help="A corrected ELAN document (.eaf).")] = None,
    boris: Annotated[Path | None, typer.Option(help="A corrected BORIS project (.boris).")] = None,
    csv: Annotated[Path | None, typer.Option(help="A corrected table (.csv).")] = None,
    coder: CoderOption = None,
) -> None:
    """Import annotations that were corrected in another program as a coder's decisions."""
    from contextlib import closing

    from stream.records.imports import as_decisions, read_annotations
    from stream.records.recorded_session import read_session
    from stream.review.coder import coder_name
    from stream.review.writing import ReviewWriter

    given = {name: path for name, path in (("elan", elan), ("boris", boris), ("csv", csv)) if path}
    if len(given) != 1:
        raise AtmeError("invalid", "give one file: --elan, --boris or --csv")
    if not session.is_dir():
        raise AtmeError("not-found", f"{session}: not a session folder; give the one that was exported")
    ((kind, path),) = given.items()
    recorded = read_session(session)
    made = as_decisions(recorded, read_annotations(recorded, path, kind))
    with closing(ReviewWriter(session, coder_name(coder))) as writer:
        if writer.standing:
            raise AtmeError(
                "exists",
                f"{writer.path}: holds decisions already; name another --coder, so that neither is lost",
            )
        for decision in made.decisions:
            writer.decide(decision)
    counts = f"{made.kept} kept, {made.removed} removed, {made.promoted} of the rejected, {made.added} added"
    print(printable(f"{writer.path}: {counts}"))
