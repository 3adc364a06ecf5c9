"""What settings may be: the range of each, and which contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

RANGES: dict[str, tuple[float, float]] = {
    "camera.width": (31, 16_384),
    "camera.height": (31, 16_384),
    "camera.fps": (0, 10_000),
    "session.backlog_ms": (0, 10_000),
    "session.stall_timeout_s": (0, 3600),
    "session.image_fps": (0, 10_000),
    "session.fps": (-1, 10_000),
    "session.slow_motion": (0, 10_000),
    "session.min_fps": (-1, 10_000),
    "motion.landmarks_ms": (-1, 10_000),
    "motion.neutral_age_ms": (0, 60_000),
    "motion.neutral_quiet": (0, 100),
    "motion.hold_ms": (0, 60_000),
    "motion.restless_ms": (0, 60_000),
    "motion.floor_window_ms": (0, 600_000),
    "spotter.min_motion": (0, 100),
    "spotter.threshold_factor": (0, 100),
    "spotter.accept_probability": (-1, 1),
    "spotter.early_accept_probability": (-1, 1),
    "spotter.end_fraction": (0, 100),
    "spotter.fall_wait_ms": (-1, 10_000),
    "spotter.plateau_ms": (-1, 10_000),
    "spotter.warm_up_ms": (-1, 60_000),
    "spotter.longest_gap_ms": (0, 10_000),
    "spotter.max_duration_ms": (0, 2000),  # frames are kept for twice as long
    "spotter.max_rise_ms": (0, 2000),
}
"""Setting → the number that it must be above, and the greatest that it may be. −1: 0 is allowed."""

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


def nonsense_in(settings: Any) -> Iterator[str]:
    """In words, what is out of its range, or contradicts another setting; nothing where all is well."""
    values = {
        f"{section.name}.{one.name}": getattr(getattr(settings, section.name), one.name)
        for section in fields(settings)
        for one in fields(getattr(settings, section.name))
    }
    for name, (low, high) in RANGES.items():
        least = "from 0" if low < 0 else f"above {low:g}"
        if not low < values[name] <= high:
            yield f"{name} must be {least} and at most {high:g}"
    for lower, upper, otherwise in IN_ORDER:
        if not values[lower] < values[upper]:
            yield f"{lower} must be below {upper}, or {otherwise}"
    if values["spotter.end_fraction"] >= 1:
        yield "spotter.end_fraction must be below 1: it is a fraction of the peak"
    if values["spotter.accept_probability"] > values["spotter.early_accept_probability"]:
        yield "spotter.accept_probability must not be above spotter.early_accept_probability"
