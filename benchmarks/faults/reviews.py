"""Reviewing: damaged review files, session folders and corrected annotations."""

from __future__ import annotations

import json
import random
import re
from contextlib import closing, suppress
from pathlib import Path

from benchmarks.faults.command import atme
from recognizer.console.command_line import run

CORRECTED = {".eaf": "--elan", ".boris": "--boris", ".csv": "--csv"}


def review_lines(rng: random.Random, data: bytes) -> bytes:
    """A review file of a newer version, with foreign lines, of another encoding, or far too long."""
    kind = rng.randrange(7)
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines) + 1)
    if kind == 0:
        return data.replace(b'"schema": 1', f'"schema": {rng.choice((2, 10**30, -1, "true"))}'.encode())
    if kind == 1:
        lines.insert(at, rng.choice((b'{"event": 3}\n', b"onset,apex\n", b"\0" * 5000 + b"\n", b"\n")))
    if kind == 2:
        return data.decode().encode(rng.choice(("utf-16", "utf-32", "cp037")))
    if kind == 3:
        return data * rng.choice((2, 2000))
    if kind == 4:
        lines.insert(at, b'{"schema": 1, "line": 9, "at": "", "undoes": %d}\n' % rng.choice((0, 1, 99, -5)))
    if kind == 5:
        rng.shuffle(lines)
    if kind == 6:
        return re.sub(rb'"movement": "[^"]*"', b'"movement": "%s"' % rng.choice((b"7-8-9", b"added-1")), data)
    return b"".join(lines)


def read_review_of(folder: Path, file: Path, rng: random.Random) -> None:
    """In the child: what a coder, or a reader of the coders' decisions, would do with it."""
    session = folder / "s01"
    if file.suffix in CORRECTED and file.parent == folder:
        return atme("import", session, CORRECTED[file.suffix], file, "--coder", "carl")
    _with_its_recording(session, folder / "long.mp4", rng)
    what = rng.randrange(5)
    if what != 1 and rng.random() < 0.15:  # a session that was cut off before the others were written
        gone = rng.choice([path for path in session.iterdir() if path.is_file() and path != file])
        gone.unlink()
    if what == 0:
        return atme("agreement", session, *rng.choice(((), ("--json",))))
    if what == 1:
        return atme("report", session, "--out", "report.html")
    if what == 2:
        whose, format = rng.choice(("ana", "ben", "consensus")), rng.choice(("csv", "elan", "boris", "praat"))
        return atme("export", session, "--format", format, "--reviewed", whose)
    return run(lambda: _decide_all(session, rng.choice(("ana", "ben", "new"))), "atme")


def _with_its_recording(session: Path, recording: Path, rng: random.Random) -> None:
    """Makes this copy the recording: as it was, changed since, or damaged from the beginning."""
    from stream.records.fingerprint import fingerprint

    with suppress(ValueError, TypeError, OSError, KeyError, RecursionError):
        about = json.loads((session / "session.json").read_bytes())
        about["source"]["recording"] = str(recording)
        if rng.random() < 0.7:
            about["source"]["fingerprint"] = fingerprint(recording)
        (session / "session.json").write_text(json.dumps(about))


def _decide_all(session: Path, coder: str) -> None:
    """Serves a page that goes through a session; RuntimeError where a decision is lost."""
    from spotting.reviews.decision import Decision
    from spotting.reviews.file import read_review
    from stream.review.opened import Opened
    from stream.review.server.shelf import shelf_of

    with closing(shelf_of(session, coder, blind=False)) as shelf:
        opened: Opened = shelf.open(0)
        json.dumps(opened.about(), allow_nan=False)
        decided: dict[str, Decision] = {}
        for one in opened.movements[:2]:
            movement = one.movement
            json.dumps(
                [opened.opinion(one.id), opened.curve(movement.onset, movement.offset)], allow_nan=False
            )
            span = opened.span(one.id)
            opened.plain(*span)
            opened.magnified(*span, 10)
            made = Decision(one.id, "no", movement.onset, movement.apex, max(movement.apex, movement.offset))
            opened.decide(made)
            decided[one.id] = made
    standing = read_review(session, coder).standing
    lost = [name for name, one in decided.items() if standing[name].verdict != one.verdict]
    if lost:
        raise RuntimeError(f"decisions are lost: {lost}")
