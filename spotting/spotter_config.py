"""When a movement counts: the settings of the spotter."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from recognizer.files.setting_types import NO_OTHERS, Number, setting_dataclass
from spotting.sensitivity import OPERATING_POINTS, Sensitivity

OF_THE_POINT = math.nan
"""Stands for the value of the operating point."""


@setting_dataclass(frozen=True, config=NO_OTHERS)
class SpotterConfig:
    """When a movement counts. Times in ms; distances in pixels of a 256-px face."""

    sensitivity: Sensitivity = "normal"
    """The operating point; it sets the next five settings unless they are given."""
    min_motion: Annotated[Number, Field(gt=0, le=100)] = OF_THE_POINT
    """Lowest threshold: the smallest motion that optical flow can measure on a clean image."""
    threshold_factor: Annotated[Number, Field(gt=0, le=100)] = OF_THE_POINT
    """Threshold as a multiple of the noise floor; lower finds more, with more false alarms."""
    accept_probability: Annotated[Number, Field(ge=0, le=1)] = OF_THE_POINT
    """Least probability of a micro-expression for a movement that has ended or was waited for long enough."""
    early_accept_probability: Annotated[Number, Field(ge=0, le=1)] = OF_THE_POINT
    """The same for a movement that is still falling."""
    proposal_probability: Annotated[Number, Field(ge=0, le=1)] = OF_THE_POINT
    """The same for a movement that only the apex detector has noticed."""
    end_fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    """A movement has ended once its displacement is down to this fraction of its peak."""
    fall_wait_ms: Annotated[Number, Field(ge=0, le=10_000)] = 100.0
    """This long after the peak, a movement that is still falling is decided as well."""
    plateau_ms: Annotated[Number, Field(ge=0, le=10_000)] = 300.0
    """This long after the peak, a movement that does not fall at all is decided."""
    warm_up_ms: Annotated[Number, Field(ge=0, le=60_000)] = 500.0
    """After a face appears, its noise floor is measured this long before anything is reported."""
    longest_gap_ms: Annotated[Number, Field(gt=0, le=10_000)] = 200.0
    """Frames further apart than this could hide a movement; one in progress is then rejected."""
    max_duration_ms: Annotated[Number, Field(gt=0, le=2000)] = 600.0
    """Longer is a macro-expression, unless it rises quickly: half a second by definition, plus the error of
    the offset."""
    max_rise_ms: Annotated[Number, Field(gt=0, le=2000)] = 260.0
    """Longest time from onset to apex for which it may last longer."""

    def __post_init__(self) -> None:
        for name, value in asdict(OPERATING_POINTS[self.sensitivity]).items():
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, value)
