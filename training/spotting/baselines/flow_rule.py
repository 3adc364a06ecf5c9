"""The training-free rule of the MEGC 2022: Zhao et al., "Rethinking optical flow methods for
micro-expression spotting", ACM MM 2022, DOI 10.1145/3503161.3551602, after He 2021, DOI
10.1145/3474085.3479225.

From the papers' abstracts and the settings that their authors published for CAS(ME)²: in windows of 200
frames, half of which overlap, the flow from the window's first frame is read at the brows, the sides of the
nose and the mouth; the nose tip's, which is the head's, is taken off. The length of each region's flow is
low-passed at 5 Hz. A peak counts that is 1.4 px over the window's least value (of a face 256 px wide) and
1.8 px (brows), 1.85 (mouth) or 2.1 (nose) over the least within a second. From there the interval reaches
down both slopes to a third of the peak over the valley. One of 2/3 s and more with a valley in it, deep by
a third of both peaks and by 0.7 px, is two. Intervals of different regions that share more than 0.34 of the
shorter are one expression: micro up to half a second, macro above.

Our reading, as the full text was not available: the motion meter's places are the regions. It has already
removed the head's motion. The papers average the strongest fifth of a region's flow, where the meter averages
a window: its displacement counts 1.4 times, as it does in the meter. A second threshold, on what empirical
mode decomposition leaves, is left out. Of the papers' bounds on length the lower, 0.4 s, is left out too:
hardly any micro-expression would pass it. The score is the factor by which all thresholds could be raised
before it is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spotting.candidate import Kind
from spotting.face.places import SIDES
from training.spotting.baselines.course import Course, Floats, Scored, candidate, courses, runs
from training.spotting.signal import Signal

RATE = 30.0
"""Frames a second: faster video is read at this rate, as in the paper."""
WINDOW, STEP = 200, 100
LOW_PASS_HZ = 5.0
GAIN = 1.4
LEAST = 1.4
RISE = {"inner brows": 1.8, "outer brows": 1.8, "nose": 2.1} | dict.fromkeys(
    ("lip corners", "upper lip", "lower lip"), 1.85
)
"""Pixels of a 256-px face, by region."""
AROUND = round(RATE)
"""Frames to each side in which a peak is compared with the least value."""
SLOPE = 1 / 3
"""An interval ends where the curve is down to this fraction of the peak."""
JOIN = 3
"""Peaks closer than this many frames are one."""
LONG, EDGE, DEEP = round(RATE * 2 / 3), round(RATE * 4 / 15), 0.7
"""Where a valley is searched for: intervals of this many frames, away from both ends; and its least depth,
pixels."""
SHARED = 0.34
MICRO_S = 0.5
Interval = tuple[int, int, int, float]
"""Frames of onset, apex and offset; score."""


def flow_rule(signal: Signal, scale: float = 1.0) -> Scored:
    """Expressions of one recording, each with its kind. ``scale``: of the thresholds on the peak."""
    found: Scored = []
    for course in courses(signal):
        times = np.arange(course.times[0], course.times[-1], 1 / RATE)
        regular = Course(times, course.at(times))
        for onset, apex, offset, score in _joined(_in_windows(regular, scale)):
            seconds = float(times[onset]), float(times[apex]), float(times[offset])
            kind: Kind = "micro" if seconds[2] - seconds[0] <= MICRO_S else "macro"
            found.append((score, candidate(signal, seconds, score, kind)))
    return found


def _in_windows(course: Course, scale: float) -> Iterator[Interval]:
    for start in range(0, max(len(course.times) - STEP, 1), STEP):
        places = course.places[start : start + WINDOW]
        way = GAIN * np.linalg.norm(places - places[0], axis=2)
        for (region, *_), curve in zip(SIDES, way.T, strict=True):
            if region in RISE:
                for onset, apex, offset, score in _peaks(_low_pass(curve), RISE[region], scale):
                    yield start + onset, start + apex, start + offset, score


def _low_pass(curve: Floats) -> Floats:
    spectrum = np.fft.rfft(curve)
    spectrum[np.fft.rfftfreq(len(curve), 1 / RATE) > LOW_PASS_HZ] = 0
    return np.asarray(np.fft.irfft(spectrum, len(curve)))


def _peaks(curve: Floats, rise: float, scale: float) -> Iterator[Interval]:
    """``curve``: one region's, low-passed."""
    around = np.pad(curve, AROUND, mode="edge")
    valley = np.lib.stride_tricks.sliding_window_view(around, 2 * AROUND + 1).min(axis=1)
    reached = np.minimum((curve - curve.min()) / LEAST, (curve - valley) / rise)
    for first, last in _close_ones(list(runs(reached >= scale))):
        top = first + int(curve[first : last + 1].argmax())
        left, right = _foot(curve[top::-1]), _foot(curve[top:])
        for onset, offset in _divided(curve, top - left, top + right):
            apex = onset + int(curve[onset : offset + 1].argmax())
            if onset < apex < offset:
                yield onset, apex, offset, float(reached[onset : offset + 1].max())


def _close_ones(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in found:
        if joined and first - joined[-1][1] < JOIN:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def _foot(slope: Floats) -> int:
    """Frames from the peak, the first, to where the curve is down to a third, or turns up again."""
    near = slope[: AROUND + 1]
    low = near.min() + SLOPE * (near[0] - near.min())
    down = int(np.argmax(near <= low))
    up = np.flatnonzero((np.diff(near) > 0) & (near[1:] < near[0] - DEEP))
    return min(down, int(up[0])) if len(up) else down


def _divided(curve: Floats, onset: int, offset: int) -> list[tuple[int, int]]:
    if offset - onset < LONG:
        return [(onset, offset)]
    valley = onset + EDGE + int(curve[onset + EDGE : offset - EDGE + 1].argmin())
    peaks = curve[onset:valley].max(), curve[valley : offset + 1].max()
    if all(peak - curve[valley] > max(DEEP, SLOPE * peak) for peak in peaks):
        return [(onset, valley - 1), (valley + 1, offset)]
    return [(onset, offset)]


def _joined(found: Iterator[Interval]) -> list[Interval]:
    """Intervals of several regions and windows that are one expression; the apex is that of the higher."""
    merged: list[Interval] = []
    for new in sorted(found):
        for k, old in enumerate(merged):
            shared = min(new[2], old[2]) - max(new[0], old[0])
            if shared > SHARED * min(new[2] - new[0], old[2] - old[0]):
                higher = max(new, old, key=lambda interval: interval[3])
                merged[k] = min(new[0], old[0]), higher[1], max(new[2], old[2]), higher[3]
                break
        else:
            merged.append(new)
    return merged
