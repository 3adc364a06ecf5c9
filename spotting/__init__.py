"""Finds movements of the face: the motion signal, and the causal spotter that reads it."""

from spotting.candidate import Candidate, Rejection
from spotting.judge import Judge
from spotting.motion import MotionMeter, MotionSample
from spotting.spotter import Spotter, SpotterConfig

__all__ = ["Candidate", "Judge", "MotionMeter", "MotionSample", "Rejection", "Spotter", "SpotterConfig"]
