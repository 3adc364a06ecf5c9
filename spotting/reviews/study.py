"""``study.toml``: who takes part in a study, and under which conditions; its folder holds the sessions.

participants = ["P07", "P08"]
conditions = ["baseline", "stress"]

[sessions.s01]            # for a session that was recorded without --participant
participant = "P07"
condition = "baseline"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, read_received
from recognizer.files.untrusted_text import parse_toml

STUDY = "study.toml"
_KEYS = ("participants", "conditions", "sessions")
NAME = re.compile(r"[\w.-]{1,60}")
"""Pattern of the names of participants and conditions."""


@dataclass(frozen=True)
class Who:
    """A session's participant and condition; empty where they are not given."""

    participant: str = ""
    condition: str = ""


NOBODY = Who()


@dataclass(frozen=True)
class Study:
    """The file's content; where a list is empty, every name is allowed."""

    path: Path
    participants: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    sessions: dict[str, Who] = field(default_factory=dict)

    def check(self, who: Who) -> None:
        """AtmeError for a name that is not listed, as a typing mistake would create a new person."""
        for what, name, known in (
            ("participant", who.participant, self.participants),
            ("condition", who.condition, self.conditions),
        ):
            if name and known and name not in known:
                near = get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise AtmeError("invalid", f"{self.path}: no {what} '{name}'; {hint}")


def read_study(folder: Path) -> Study | None:
    """The study of a folder; None where there is no such file. AtmeError where it is invalid."""
    path = folder / STUDY
    try:
        found = parse_toml(read_received(path, MIB).decode("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise AtmeError("unreadable", f"{path}: not valid TOML ({error}); correct that line") from None
    for key in found:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_KEYS)}"
            raise AtmeError("invalid", f"{path}: unknown key {key}; {hint}")
    sessions = found.get("sessions", {})
    if not isinstance(sessions, dict):
        raise AtmeError("invalid", f"{path}: sessions is no table; write [sessions.NAME]")
    study = Study(
        path,
        _names(path, found, "participants"),
        _names(path, found, "conditions"),
        {name: _who(path, name, entry) for name, entry in sessions.items()},
    )
    for who in study.sessions.values():
        study.check(who)
    return study


def checked_name(what: str, name: str) -> str:
    """The name of a participant or condition. AtmeError where it is not valid."""
    if not NAME.fullmatch(name):
        raise AtmeError("invalid", f"{what} '{name}': use letters, digits, dots, - and _ only, at most 60")
    return name


def _names(path: Path, found: dict[str, Any], key: str) -> tuple[str, ...]:
    names = found.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise AtmeError("invalid", f'{path}: {key} is no list of names; write {key} = ["a", "b"]')
    return tuple(checked_name(f"{path}: {key}:", name) for name in names)


def _who(path: Path, name: str, entry: Any) -> Who:
    fits = isinstance(entry, dict) and set(entry) <= {"participant", "condition"}
    if not fits or not all(isinstance(value, str) for value in entry.values()):
        raise AtmeError(
            "invalid", f"{path}: [sessions.{name}] has participant and condition, and nothing else"
        )
    return Who(
        **{key: checked_name(f"{path}: sessions.{name}: {key}", value) for key, value in entry.items()}
    )
