"""When a movement counts: the spotter's settings."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from spotting.sensitivity import OPERATING_POINTS, Sensitivity

OF_THE_POINT = math.nan
"""Stands for what the operating point says."""


@dataclass(frozen=True)
class SpotterConfig:
    """When a movement counts. Times in ms; distances in pixels of a 256-px face."""

    sensitivity: Sensitivity = "normal"
    """The operating point; the four settings that follow are its own where they are not given."""
    min_motion: float = OF_THE_POINT
    """Least threshold: what the flow can still tell from nothing on a clean picture."""
    threshold_factor: float = OF_THE_POINT
    """Threshold as a multiple of the noise floor; lower finds more, and more that is not there."""
    accept_probability: float = OF_THE_POINT
    """A movement that is over, or was waited for, counts at this probability of a micro-expression."""
    early_accept_probability: float = OF_THE_POINT
    """One that is still falling counts already at this one."""
    fallen: float = 0.5
    """A movement is over when the displacement has fallen to this part of its peak."""
    patience_ms: float = 100.0
    """So long after the peak a fall that has begun is enough."""
    plateau_ms: float = 300.0
    """So long after the peak a movement that does not fall at all is decided."""
    warm_up_ms: float = 500.0
    """After the face appears, time to learn its noise floor before anything is reported."""
    longest_gap_ms: float = 200.0
    """Frames further apart than this could hide a movement: what was under way is rejected."""
    max_duration_ms: float = 600.0
    """A micro-expression that lasts longer is reported as macro, unless it rises quickly; half a second by
    definition, and what the offset may be wrong by."""
    max_rise_ms: float = 260.0
    """Onset to apex of one that may last longer."""

    def __post_init__(self) -> None:
        for name, value in asdict(OPERATING_POINTS[self.sensitivity]).items():
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, value)
