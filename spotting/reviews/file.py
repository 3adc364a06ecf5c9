"""Reads ``review-CODER.jsonl``; ``atme review`` writes it, exports, agreement and training read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, lines_of, open_received, parse
from spotting.reviews.decision import CODER, SCHEMA, BadLine, Decision, ReviewLine, line_from, standing

LARGEST = 256 * MIB
PREFIX, SUFFIX = "review-", ".jsonl"


@dataclass(frozen=True)
class Review:
    """One coder's file."""

    coder: str
    lines: tuple[ReviewLine, ...] = ()
    cut_off: bool = False
    """Its last line is incomplete, as after a power cut."""

    @property
    def standing(self) -> dict[str, Decision]:
        """Movement → the decision that counts."""
        return standing(self.lines)

    @property
    def last_number(self) -> int:
        """Number of the newest line; 0 in an empty file."""
        return max((line.number for line in self.lines), default=0)


def review_path(session: Path, coder: str) -> Path:
    """The coder's file in a session folder. AtmeError for a name that cannot be part of a file name."""
    if not CODER.fullmatch(coder):
        raise AtmeError(
            "invalid", f"coder '{coder}': use letters, digits, - and _ only, at most 40; --coder NAME"
        )
    return session / f"{PREFIX}{coder}{SUFFIX}"


def coders_of(session: Path) -> list[str]:
    """The coders with a review in a session folder, in order of their names."""
    names = (path.name for path in session.glob(f"{PREFIX}*{SUFFIX}"))
    coders = (name[len(PREFIX) : -len(SUFFIX)] for name in names)
    return sorted(coder for coder in coders if CODER.fullmatch(coder))


def read_review(session: Path, coder: str) -> Review:
    """The coder's decisions; none if there is no file yet.

    An incomplete last line is left out. AtmeError for a file of a newer version, for a line that no review
    writes, and for what ``open_received`` refuses.
    """
    path = review_path(session, coder)
    lines: list[ReviewLine] = []
    cut_off = False
    try:
        file = open_received(path, LARGEST)
    except FileNotFoundError:
        return Review(coder)
    with file:
        for number, data in lines_of(file, path):
            if cut_off:
                raise _damaged(path, number - 1, "cut off")
            try:
                found = parse(data)
            except (ValueError, TypeError):
                cut_off = True
                continue
            lines.append(_line(path, number, found))
    return Review(coder, tuple(lines), cut_off)


def _line(path: Path, number: int, found: object) -> ReviewLine:
    if not isinstance(found, dict):
        raise _damaged(path, number, "no decision")
    schema = found.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise AtmeError(
            "unreadable",
            f"{path}: written by a newer atme-live (review format {schema}, this one reads {SCHEMA}); "
            "use that version, or another --coder name",
        )
    if schema != SCHEMA:
        raise _damaged(path, number, "no version of the review format")
    try:
        return line_from(found)
    except BadLine as error:
        raise _damaged(path, number, str(error)) from None


def _damaged(path: Path, number: int, why: str) -> AtmeError:
    return AtmeError(
        "unreadable", f"{path}: line {number} is not a decision ({why}); correct it, or delete the line"
    )
