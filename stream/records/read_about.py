"""Reads ``session.json``: only known keys, each with a value that a session can have written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, parse, read_received

LARGEST = 4 * MIB
_TEXT, _MANY = 65_536, 10_000
Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e12 < value < 1e12


def _count(value: Any) -> bool:
    return isinstance(value, int) and _number(value) and value >= 0


def _scalar(value: Any) -> bool:
    return value is None or _text(value) or _flag(value) or _number(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= _MANY and all(map(check, value))


def _table_of(check: Check) -> Check:
    def holds(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and len(value) <= _MANY
            and all(_text(k) and check(v) for k, v in value.items())
        )

    return holds


_SETTING: Check = lambda value: _scalar(value) or _list_of(_scalar)(value)  # noqa: E731
_KNOWN: dict[str, Check | dict[str, Check]] = {
    **dict.fromkeys(("started", "ended", "end", "error_code", "provider", "participant", "condition"), _text),
    **dict.fromkeys(("monotonic_origin", "seconds"), _number),
    **dict.fromkeys(("schema", "frames", "frames_dropped", "gaps", "events", "macro_expressions"), _count),
    "save_faces": _flag,
    "source": {
        **dict.fromkeys(("name", "recording", "fingerprint", "clock"), _text),
        **dict.fromkeys(("live", "clock_assumed"), _flag),
        **dict.fromkeys(("nominal_fps", "duration", "player_pace"), _number),
        **dict.fromkeys(("width", "height"), _count),
    },
    "seen": {
        **dict.fromkeys(("seconds", "usable", "fps", "min_fps"), _number),
        "frames": _count,
        "troubles": _table_of(_number),
        "clock": _text,
        "clock_assumed": _flag,
        "rejected": _table_of(_count),
    },
    "weights": {"file": _text, "sha256": _text},
    "classifier": {"file": _text, "sha256": _text},
    "apex_detector": {"file": _text, "sha256": _text},
    "video": {"file": _text, "frames": _count, "frames_dropped": _count},
    "settings": _table_of(_table_of(_SETTING)),
    "versions": _table_of(_text),
    "rejected": _table_of(_count),
    "latency_ms": _table_of(_number),
    "warnings": _list_of(_text),
    "unwritten": _list_of(_text),
}
"""The known keys; each may be missing or null. All other keys are ignored."""


def read_about(path: Path) -> dict[str, Any]:
    """The known keys. FileNotFoundError where it is missing, ValueError where it is cut off or not JSON.

    AtmeError where a value is not one that a session writes, and as ``read_received``.
    """
    data = read_received(path, LARGEST)
    try:
        found = parse(data)
    except TypeError:
        found = None
    if not isinstance(found, dict):
        raise _wrong(path, "it")
    return _checked(found, _KNOWN, path)


def _checked(found: dict[str, Any], known: Any, path: Path, within: str = "") -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, check in known.items():
        value = found.get(name)
        if value is None:
            if name in found:
                kept[name] = None
        elif isinstance(check, dict):
            if not isinstance(value, dict):
                raise _wrong(path, within + name)
            kept[name] = _checked(value, check, path, f"{name}.")
        elif check(value):
            kept[name] = value
        else:
            raise _wrong(path, within + name)
    return kept


def _wrong(path: Path, what: str) -> AtmeError:
    return AtmeError(
        "unreadable", f"{path}: {what} is not as a session writes it; remove the file to continue without it"
    )
