"""Main directional maximal difference (MDMD): He, Wang, Li & Yap 2020, "Spotting macro- and
micro-expression intervals in long video sequences", arXiv 1912.11985, after Wang et al. 2017, DOI
10.1016/j.neucom.2016.12.034.

From the papers: a face that moves and comes back within 2 k is further from where it was k before now than
k after now. d is, for each of the face's blocks, the length of the flow from k ago to now less that of the
flow from k ago to k ahead; a frame's feature is the mean over the third of the blocks in which d is
greatest. After subtracting the mean of the features k before and after, and clipping at zero, it is compared
with the threshold mean + p (max − mean) of the recording, p = 0.01. Frames above it that follow each other
are an interval, if its length fits. k is 0.4 s for micro-expressions (12 frames of CAS(ME)², 80 of SAMM
Long Videos) and 1.3 s for macro-expressions (39, 260); micro-expressions last 7 to 16 frames of CAS(ME)²
and 47 to 105 of SAMM, and what is longer is macro.

Our reading: the places where the motion meter measures are the blocks. A place's displacement is already
that of the skin that moves together around it, so the papers' vote on a block's main direction, which selects
the pixels that count, is not needed. Frames become seconds. Thresholds below p = 0.01 hardly exist; an
interval's score is the p at which all of it disappears, and its times are those at p = 0.01.
"""

from __future__ import annotations

import numpy as np

from spotting.candidate import Kind
from training.spotting.baselines.course import Course, Floats, Scored, candidate, courses, runs
from training.spotting.signal import Signal

P = 0.01
MICRO_S = (0.4, 0.233, 0.533)
MACRO_S = (1.3, 0.533, np.inf)
"""Seconds: k, and the shortest and longest interval."""


def mdmd(signal: Signal) -> Scored:
    """Micro- and macro-expressions of one recording, each with its kind, scored by the p that it reaches."""
    return [*_spotted(signal, "micro", *MICRO_S), *_spotted(signal, "macro", *MACRO_S)]


def _spotted(signal: Signal, kind: Kind, k: float, shortest: float, longest: float) -> Scored:
    stretches = [(course, _relative(course, k)) for course in courses(signal)]
    features = np.concatenate([np.zeros(0), *(feature for _, feature in stretches)])
    if not len(features) or features.max() <= 0:
        return []
    mean, most = float(features.mean()), float(features.max())
    least = mean + P * (most - mean)
    found: Scored = []
    for course, feature in stretches:
        for first, last in runs(feature > least):
            onset, offset = float(course.times[first]), float(course.times[last])
            if shortest <= offset - onset <= longest:
                top = first + int(feature[first : last + 1].argmax())
                reached = (float(feature[top]) - mean) / max(most - mean, 1e-9)
                interval = (onset, float(course.times[top]), offset)
                found.append((reached, candidate(signal, interval, float(feature[top]) / least, kind)))
    return found


def _relative(course: Course, k: float) -> Floats:
    """(n,) the feature above its surroundings; 0 where k before or after is outside the stretch."""
    times = course.times
    feature = _difference(course, times, k)
    around = (_difference(course, times - k, k) + _difference(course, times + k, k)) / 2
    inside = (times - k >= times[0]) & (times + k <= times[-1])
    return np.where(inside, np.maximum(feature - around, 0.0), 0.0)


def _difference(course: Course, times: Floats, k: float) -> Floats:
    """(m,) mean of the greatest third of the places' differences in length, pixels."""
    before, now, after = (course.at(times + shift) for shift in (-k, 0.0, k))
    d = np.linalg.norm(now - before, axis=2) - np.linalg.norm(after - before, axis=2)
    third = d.shape[1] // 3
    return np.asarray(np.sort(d, axis=1)[:, -third:].mean(axis=1))
