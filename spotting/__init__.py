"""Finds movements of the face: the motion signal and the causal spotter."""

from typing import TYPE_CHECKING

from recognizer.lazy import lazily

if TYPE_CHECKING:
    from spotting.candidate import Candidate, Rejection
    from spotting.classifier import CandidateClassifier
    from spotting.motion import MotionMeter, MotionSample
    from spotting.spotter import Spotter
    from spotting.spotter_config import SpotterConfig

__all__ = [
    "Candidate",
    "CandidateClassifier",
    "MotionMeter",
    "MotionSample",
    "Rejection",
    "Spotter",
    "SpotterConfig",
]

__getattr__ = lazily(
    __name__,
    {
        "spotting.candidate": ("Candidate", "Rejection"),
        "spotting.classifier": ("CandidateClassifier",),
        "spotting.motion": ("MotionMeter", "MotionSample"),
        "spotting.spotter": ("Spotter",),
        "spotting.spotter_config": ("SpotterConfig",),
    },
)
