"""What is wrong with settings, in words: the range of each, its name, and which contradict each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import ValidationError

RENAMED = {
    "spotter.fallen": "spotter.end_fraction",
    "spotter.patience_ms": "spotter.fall_wait_ms",
    "spotter.likely": "spotter.accept_probability",
    "spotter.sure": "spotter.early_accept_probability",
}
"""Name of a setting in earlier versions → its name now."""

IN_ORDER = (
    (
        "motion.neutral_age_ms",
        "motion.hold_ms",
        "no face would ever be quiet before it is a new resting face",
    ),
    ("motion.hold_ms", "motion.restless_ms", "a face that rests elsewhere would count as restless first"),
    ("motion.neutral_age_ms", "motion.floor_window_ms", "no level would be known of a quiet face"),
    ("spotter.longest_gap_ms", "spotter.max_duration_ms", "a gap could hide the longest movement"),
    (
        "spotter.fall_wait_ms",
        "spotter.max_duration_ms",
        "every movement would be too long once it is decided",
    ),
    ("spotter.max_rise_ms", "spotter.max_duration_ms", "no movement could be too long"),
)
"""Pairs of settings of which the first must be below the second, and what would come of it otherwise."""


def contradictions_in(settings: Any) -> Iterator[str]:
    """In words, which settings contradict each other; nothing where all is well."""

    def value(name: str) -> float:
        section, _, key = name.partition(".")
        return float(getattr(getattr(settings, section), key))

    for lower, upper, otherwise in IN_ORDER:
        if not value(lower) < value(upper):
            yield f"{lower} must be below {upper}, or {otherwise}"
    if value("spotter.accept_probability") > value("spotter.early_accept_probability"):
        yield "spotter.accept_probability must not be above spotter.early_accept_probability"


def in_words(error: ValidationError, settings: type) -> str:
    """The first mistake, what is wrong with it and what to do."""
    first = error.errors(include_url=False)[0]
    kind, path, value = first["type"], [str(part) for part in first["loc"]], first["input"]
    name = ".".join(path)
    if kind == "value_error":
        return f"{first['ctx']['error']}; mend these settings"
    if kind == "unexpected_keyword_argument":
        return _unknown(path, settings)
    if kind == "dataclass_type":
        return f"{name} is a section; write [{name}] above its settings"
    if name == "spotter.sensitivity" and isinstance(value, (int, float)):
        return f"{name} = {value} is now called spotter.threshold_factor; rename it"
    if kind.startswith(("greater_than", "less_than")):
        return f"{name} = {value!r} does not fit: {name} must be {_range(path, settings)}"
    return f"{name} = {value!r} does not fit: {first['msg'].lower()}"


def _unknown(path: list[str], settings: type) -> str:
    *section, key = path
    name = ".".join(path)
    if name in RENAMED:
        return f"{name} is now called {RENAMED[name]}; rename it"
    kind = get_type_hints(settings)[section[0]] if section else settings
    valid = [one.name for one in fields(kind)]
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    advice = f"did you mean {'.'.join([*section, near[0]])}?" if near else f"valid here: {', '.join(valid)}"
    return f"unknown setting {name}; {advice}"


def _range(path: list[str], settings: type) -> str:
    section, key = path
    hint = get_type_hints(get_type_hints(settings)[section], include_extras=True)[key]
    limits = {
        bound: getattr(limit, bound)
        for told in hint.__metadata__
        for limit in getattr(told, "metadata", ())
        for bound in ("gt", "ge", "le", "lt")
        if hasattr(limit, bound)
    }
    words = {"gt": "above", "ge": "from", "le": "at most", "lt": "below"}
    return " and ".join(f"{words[bound]} {limit:g}" for bound, limit in limits.items())
