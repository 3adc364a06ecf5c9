"""JSON and TOML of any origin: whatever is wrong with them is a ValueError."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from recognizer.errors import AtmeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Record = TypeVar("Record")
MOST_DOTS = 1000
"""Dots in one line of TOML: the parser's time grows with the square of a key's parts."""
_DEEP = "nested too deeply"


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. ValueError for anything else, including very deep nesting."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML text. ValueError for anything else, as above."""
    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ValueError(_DEEP)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_DEEP) from None


def read_records(path: Path, build: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """``build`` applied to each object of a JSON Lines file. OSError passes through; AtmeError, naming the
    line, where a line is not an object, or where ``build`` finds an entry missing or of the wrong type."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise AtmeError(
            "unreadable", f"{path}: not a text file; take the one that was written with it"
        ) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            record = parse_json(line)
            if not isinstance(record, dict):
                raise ValueError("no object")
            found.append(build(record))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AtmeError(
                "unreadable", f"{path}, line {number}: damaged ({error}); write the file again"
            ) from None
    return found
