"""The order of a folder's images, and which of them are missing, by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

_WHOLE = re.compile(r"([0-9]+)")
_DECIMAL = re.compile(r"([0-9]+(?:\.[0-9]+)?)")

_Key = tuple[str | Fraction, ...]
"""Text and numbers of a name alternate, so that comparisons always meet the same type."""


@dataclass(frozen=True)
class Numbered:
    """Images in order."""

    pictures: tuple[tuple[int, Path], ...]
    """The place of each, from 0, in a series without gaps."""
    remark: str = ""
    """What the user should know, in one line."""


def number_pictures(paths: Sequence[Path]) -> Numbered:
    """Sorts by the numbers in the names: img2 before img10, 0.05 before 0.1, but 1.9 before 1.10.

    Where the names differ in one number that counts in equal steps, a skipped number leaves its place empty.
    ``paths``: at least one.
    """
    keys = {path: _key(path, _DECIMAL) for path in paths}
    if len(set(keys.values())) < len({_key(path, _WHOLE) for path in paths}):  # 1.1 and 1.10: no decimals
        keys = {path: _key(path, _WHOLE) for path in paths}
    ordered = sorted(paths, key=lambda path: (keys[path], path.name))
    numbers = _series([keys[path] for path in ordered])
    by_count = tuple(enumerate(ordered))
    if numbers is None:
        return Numbered(by_count)
    steps = [after - before for before, after in pairwise(numbers)]
    step = min(steps)
    if 2 * steps.count(step) < len(steps) or any((other / step).denominator > 1 for other in steps):
        uneven = (
            "the numbers in the images' names are not evenly spaced; the images are taken to be consecutive"
        )
        return Numbered(by_count, uneven)
    places = [int((number - numbers[0]) / step) for number in numbers]
    missing = places[-1] + 1 - len(places)
    remark = ""
    if missing:
        first = next(path for path, length in zip(ordered, steps, strict=False) if length > step)
        what = "a number is" if missing == 1 else f"{missing} numbers are"
        remark = f"{what} missing among the images, the first after {first.name}; their time is left out"
    return Numbered(tuple(zip(places, ordered, strict=True)), remark)


def _key(path: Path, number: re.Pattern[str]) -> _Key:
    parts = number.split(path.stem.lower())
    return tuple(Fraction(part) if index % 2 else part for index, part in enumerate(parts))


def _series(keys: Sequence[_Key]) -> list[Fraction] | None:
    """The one number in which the names differ; None where they differ in more, or in none."""
    if len({len(key) for key in keys}) > 1:
        return None
    varying = [column for column in zip(*keys, strict=True) if len(set(column)) > 1]
    if len(varying) != 1 or len(set(varying[0])) < len(keys):
        return None
    numbers = [part for part in varying[0] if isinstance(part, Fraction)]
    return numbers if len(numbers) == len(keys) else None
