"""Coded action units of samples, from a table: what the network's units are measured against."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recognizer.errors import AtmeError, read_code
from training.datasets.reading.units import read_units

MOST_BYTES = 10_000_000
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_TOGETHER = re.compile(r"[+,;，、；&]|\band\b", re.IGNORECASE)
SAMPLE, UNITS = "sample", "action_units"


@dataclass(frozen=True)
class Coding:
    """What coders found in one sample."""

    units: dict[int, str]
    """FACS number → ``L``, ``R`` (the person's), or ``""`` for both sides."""
    doubtful: frozenset[int] = frozenset()
    """Coded with an "or" or a question mark: counted neither as present nor as absent."""
    unread: tuple[str, ...] = ()
    """Pieces that are no action unit."""


def read_coding(written: str) -> Coding:
    """``"A9E+ref(10)+L12 or L14"`` → AU9; 12 and 14 in doubt; ``ref(10)`` not read.

    Intensities are dropped. A unit that is coded left and right is on both sides.
    """
    sides: dict[int, set[str]] = {}
    doubtful: set[int] = set()
    unread: list[str] = []
    for piece in _TOGETHER.split(written):
        found, strange = read_units(piece)
        unread += strange
        for number, side in found:
            if _OR.search(piece) or "?" in piece:
                doubtful.add(number)
            else:
                sides.setdefault(number, set()).add(side if side in ("L", "R") else "")
    certain = {number: next(iter(one)) if len(one) == 1 else "" for number, one in sides.items()}
    return Coding(certain, frozenset(doubtful - certain.keys()), tuple(unread))


def coded_among(names: Sequence[str], written: Sequence[str]) -> dict[str, Coding]:
    """Name → coding, for samples with any coding; ``written`` as the coder wrote it."""
    found = {name: read_coding(one) for name, one in zip(names, written, strict=True)}
    return {name: one for name, one in found.items() if one.units or one.doubtful}


def read_codings(path: Path) -> dict[str, Coding]:
    """Sample → coding, from a CSV file with the columns ``sample`` and ``action_units``; others are ignored.

    AtmeError for a file that cannot be read, lacks a column, or names a sample twice.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AtmeError("unreadable", f"{path}: too large for a table of codings; give the right file")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise AtmeError(
            read_code(error), f"{path}: cannot be read ({error.strerror}); give a .csv file"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise AtmeError("unreadable", f"{path}: not a table; give a .csv file in UTF-8") from None
    for column in (SAMPLE, UNITS):
        if not rows or column not in rows[0]:
            raise AtmeError("unreadable", f"{path}: no column '{column}'; expected {SAMPLE},{UNITS}")
    found: dict[str, Coding] = {}
    for row in rows:
        name = (row[SAMPLE] or "").strip()
        if name in found:
            raise AtmeError("unreadable", f"{path}: names the sample '{name}' twice; leave one row")
        found[name] = read_coding(row[UNITS] or "")
    return found
