"""Three operating points of the spotter: how much it finds against how often it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sensitivity = Literal["quiet", "normal", "keen"]


@dataclass(frozen=True)
class OperatingPoint:
    """The settings that are traded together; each is a field of ``SpotterConfig`` and explained there."""

    min_motion: float
    threshold_factor: float
    likely: float
    sure: float


OPERATING_POINTS: dict[Sensitivity, OperatingPoint] = {
    "quiet": OperatingPoint(min_motion=0.22, threshold_factor=2.0, likely=0.75, sure=0.95),
    "normal": OperatingPoint(min_motion=0.18, threshold_factor=1.75, likely=0.6, sure=0.9),
    "keen": OperatingPoint(min_motion=0.15, threshold_factor=1.5, likely=0.45, sure=0.85),
}
