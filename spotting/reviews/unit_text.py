"""Action units in FACS notation, ``4C+L12B``: the number, preceded by the side, followed by the intensity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, cast

from spotting.reviews.decision import UNITS, CodedUnit

_UNIT = re.compile(r"(?:AU)?([LRB])?(\d{1,2})([A-E])?", re.IGNORECASE)
_BETWEEN = re.compile(r"[+,;\s]+")


def write_coded(units: Iterable[CodedUnit]) -> str:
    """Both sides have no letter: ``12B``."""
    return "+".join(f"{'' if u.side == 'B' else u.side}{u.unit}{u.intensity or ''}" for u in units)


def read_coded(text: str) -> tuple[tuple[CodedUnit, ...], tuple[str, ...]]:
    """The units in a text, each once, and the pieces that are not units."""
    units: dict[int, CodedUnit] = {}
    strange: list[str] = []
    for piece in filter(None, _BETWEEN.split(text)):
        match = _UNIT.fullmatch(piece)
        if match is None or int(match[2]) not in UNITS:
            strange.append(piece)
            continue
        side = cast(Literal["B", "L", "R"], (match[1] or "B").upper())
        unit = CodedUnit(int(match[2]), side, match[3].upper() if match[3] else None)
        units.setdefault(unit.unit, unit)
    return tuple(units.values()), tuple(strange)
