"""Which settings contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

IN_ORDER = (
    (
        "motion.neutral_age_ms",
        "motion.hold_ms",
        "no face could be quiet for long enough before it becomes the new resting face",
    ),
    ("motion.hold_ms", "motion.restless_ms", "a face that rests elsewhere would count as restless first"),
    ("motion.neutral_age_ms", "motion.floor_window_ms", "the noise floor of a quiet face would be unknown"),
    ("spotter.longest_gap_ms", "spotter.max_duration_ms", "a gap could hide the longest movement"),
    (
        "spotter.fall_wait_ms",
        "spotter.max_duration_ms",
        "every movement would be too long once it is decided",
    ),
    ("spotter.max_rise_ms", "spotter.max_duration_ms", "no movement could be too long"),
)
"""Pairs of settings of which the first must be below the second, and what would happen otherwise."""


def contradictions_in(settings: Any) -> Iterator[str]:
    """Which settings contradict each other, in words; nothing where all is well."""

    def value(name: str) -> float:
        section, _, key = name.partition(".")
        return float(getattr(getattr(settings, section), key))

    for lower, upper, otherwise in IN_ORDER:
        if not value(lower) < value(upper):
            yield f"{lower} must be below {upper}, or {otherwise}"
    if value("spotter.accept_probability") > value("spotter.early_accept_probability"):
        yield "spotter.accept_probability must not be above spotter.early_accept_probability"
