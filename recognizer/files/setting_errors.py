"""What is wrong with a setting, in one line: its name, its range, or what it is called now."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import ValidationError

RENAMED = {
    "fallen": "end_fraction",
    "patience_ms": "fall_wait_ms",
    "likely": "accept_probability",
    "sure": "early_accept_probability",
}
"""Name of a setting in earlier versions → its name now."""


def in_words(error: ValidationError, settings: type) -> str:
    """The first mistake in what was given for ``settings``: what is wrong with it and what to do."""
    first = error.errors(include_url=False)[0]
    kind, value = first["type"], first["input"]
    path = _named(first["loc"], settings)
    name = ".".join(path)
    if kind == "value_error":
        return f"{first['ctx']['error']}; correct these settings"
    if kind == "unexpected_keyword_argument":
        return _unknown(path, settings)
    if kind == "dataclass_type":
        return f"{name} is a section; write [{name}] above its settings"
    if path[-1] == "sensitivity" and isinstance(value, (int, float)):
        return f"{name} = {value} is now called {_beside(path, 'threshold_factor')}; rename it"
    if kind.startswith(("greater_than", "less_than")):
        return f"{name} = {value!r} does not fit: {name} must be {_range(path, settings)}"
    return f"{name} = {value!r} does not fit: {first['msg'].lower()}"


def _named(location: tuple[int | str, ...], settings: type) -> list[str]:
    """The path to a setting; one that was given by position gets its name."""
    names = [one.name for one in fields(settings)]
    return [names[part] if isinstance(part, int) and part < len(names) else str(part) for part in location]


def _beside(path: list[str], key: str) -> str:
    return ".".join([*path[:-1], key])


def _unknown(path: list[str], settings: type) -> str:
    *section, key = path
    name = ".".join(path)
    if key in RENAMED:
        return f"{name} is now called {_beside(path, RENAMED[key])}; rename it"
    valid = [one.name for one in fields(_section(section, settings))]
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    advice = f"did you mean {_beside(path, near[0])}?" if near else f"valid here: {', '.join(valid)}"
    return f"unknown setting {name}; {advice}"


def _section(path: list[str], settings: type) -> Any:
    for part in path:
        settings = get_type_hints(settings)[part]
    return settings


def _range(path: list[str], settings: type) -> str:
    *section, key = path
    hint = get_type_hints(_section(section, settings), include_extras=True)[key]
    limits = {
        bound: getattr(limit, bound)
        for told in hint.__metadata__
        for limit in getattr(told, "metadata", ())
        for bound in ("gt", "ge", "le", "lt")
        if hasattr(limit, bound)
    }
    words = {"gt": "above", "ge": "at least", "le": "at most", "lt": "below"}
    return " and ".join(f"{words[bound]} {limit:g}" for bound, limit in limits.items())
