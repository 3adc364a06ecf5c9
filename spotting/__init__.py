"""Finds movements of the face: the motion signal and the causal spotter."""

from spotting.candidate import Candidate, Rejection
from spotting.classifier import CandidateClassifier
from spotting.motion import MotionMeter, MotionSample
from spotting.spotter import Spotter, SpotterConfig

__all__ = [
    "Candidate",
    "CandidateClassifier",
    "MotionMeter",
    "MotionSample",
    "Rejection",
    "Spotter",
    "SpotterConfig",
]
