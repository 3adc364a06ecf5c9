"""The baselines' input from a measured recording: where every place of the face is, in stretches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spotting.candidate import Candidate, Kind
from spotting.face.places import SIDES
from spotting.motion import MotionSample
from training.spotting.signal import Signal

Floats = npt.NDArray[np.float64]
LONGEST_GAP_S = 0.2
"""Frames further apart than this, or one without a face, end a stretch."""
Scored = list[tuple[float, Candidate]]
"""Everything that a baseline finds at its lowest threshold, with the highest threshold that still finds
it."""


@dataclass(frozen=True)
class Course:
    """One stretch of a recording in which the face is seen throughout."""

    times: Floats
    """(n,) seconds, increasing."""
    places: Floats
    """(n, len(SIDES), 2) where each place is, right and down, pixels of a 256-px face; the head's motion is
    removed. The origin is the resting face of the beginning."""

    def at(self, times: Floats) -> Floats:
        """(m, len(SIDES), 2): the places at other times, interpolated between frames and held at the ends."""
        flat = self.places.reshape(len(self.times), -1)
        columns = [np.interp(times, self.times, column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(len(times), *self.places.shape[1:])


def courses(signal: Signal) -> Iterator[Course]:
    """The stretches of a recording, in order; none shorter than three frames."""
    for stretch in _stretches(signal.samples):
        if len(stretch) >= 3:
            places = np.array([sample.places for sample in stretch]).reshape(len(stretch), len(SIDES), 2)
            yield Course(np.array([sample.time for sample in stretch]), places - places[0])


def _stretches(samples: Sequence[MotionSample]) -> Iterator[list[MotionSample]]:
    stretch: list[MotionSample] = []
    for sample in samples:
        if stretch and not (sample.face and 0 < sample.time - stretch[-1].time <= LONGEST_GAP_S):
            yield stretch
            stretch = []
        if sample.face:
            stretch.append(sample)
    yield stretch


def runs(above: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    for first, end in pairwise(edges.tolist()):
        if above[first]:
            yield first, end - 1


def candidate(
    signal: Signal, interval: tuple[float, float, float], score: float, kind: Kind = "micro"
) -> Candidate:
    """A found movement from its onset, apex and offset in seconds; decided when the recording is over."""
    times = np.array([sample.time for sample in signal.samples])
    onset, apex, offset = (signal.samples[int(np.abs(times - time).argmin())] for time in interval)
    return Candidate(
        onset=interval[0],
        apex=interval[1],
        offset=interval[2],
        onset_frame=onset.frame,
        apex_frame=apex.frame,
        offset_frame=offset.frame,
        score=score,
        peak=apex.signal,
        region=apex.region,
        decided=float(times[-1]),
        kind=kind,
    )
