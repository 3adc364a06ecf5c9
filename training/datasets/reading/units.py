"""Action units as the sheets write them → numbers and sides."""

from __future__ import annotations

import re

from training.datasets.sample import Unit

# A letter for the side, the number, a letter for the intensity: L12, A14C, R4, 12B, AU6.
_UNIT = re.compile(r"(?:AU)?([LRUATB])?(\d{1,2})([A-E])?", re.IGNORECASE)
# Plus, commas (also Chinese ones), "or", "and", blanks; SAMM writes "L12 or L14".
_BETWEEN = re.compile(r"[+,;，、；&/\s]+|\bor\b|\band\b", re.IGNORECASE)


def read_units(written: str) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    """``"4+L10"`` → ((4, None), (10, "L")), and the pieces that could not be read.

    Intensities are dropped; of "L12 or L14" both are listed; "?" and "/" mean that nothing was coded.
    """
    units: list[Unit] = []
    strange: list[str] = []
    for piece in _BETWEEN.split(written):
        bare = piece.strip("?()（）.")
        if not bare:
            continue
        match = _UNIT.fullmatch(bare)
        if match is None:
            strange.append(piece)
            continue
        side = match[1].upper() if match[1] else None
        unit = (int(match[2]), side)
        if unit not in units:
            units.append(unit)
    return tuple(units), tuple(strange)
