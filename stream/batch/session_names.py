"""Names of session folders for several recordings, all different on any file system."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from recognizer.errors import AtmeError
from stream.records.session_files import comparable

_LONGEST = 200
"""Bytes; file systems allow 255, and temporary names are longer."""


def session_names(recordings: Sequence[Path]) -> list[str]:
    """The file's name; more of its path where names repeat; and a few digits of a hash where that repeats,
    too.

    Names that differ only in case, or in how letters are composed, count as equal. The same recordings get
    the same names each time, in whatever order they come. AtmeError for a recording that is given twice.
    """
    whole = [Path(os.path.abspath(path)) for path in recordings]
    for path, count in Counter(whole).items():
        if count > 1:
            raise AtmeError("invalid", f"{path}: named {count} times; name each recording once")
    shared = Path(os.path.commonpath([path.parent for path in whole])) if whole else Path()
    names = [_fit(path.stem) for path in whole]
    for longer in (lambda path: "-".join(path.relative_to(shared).parts), _with_digits):
        seen = Counter(map(comparable, names))
        names = [
            name if seen[comparable(name)] == 1 else _fit(longer(path))
            for name, path in zip(names, whole, strict=True)
        ]
    return names if len(set(map(comparable, names))) == len(names) else [*map(_with_digits, whole)]


def _with_digits(path: Path) -> str:
    digits = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return f"{_fit(path.stem)}-{digits}"


def _fit(name: str) -> str:
    """A name that is neither ``.`` nor ``..``, nor hidden, nor too long."""
    name = name.rstrip(". ") or "_"  # Windows drops them
    if name.startswith("."):
        name = "_" + name[1:]
    data = os.fsencode(name)
    if len(data) <= _LONGEST:
        return name
    digits = hashlib.sha256(data).hexdigest()[:12]
    return f"{data[: _LONGEST - 13].decode('utf-8', 'ignore')}-{digits}"
