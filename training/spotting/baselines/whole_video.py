"""SOFTNet's decision (Liong et al. 2021, "Shallow optical flow three-stream CNN for macro- and
micro-expression spotting from long videos", DOI 10.1109/ICIP42928.2021.9506663), without its network.

From the paper: a curve is smoothed by k, half the mean length of a micro-expression; the threshold is mean
+ p (max − mean) of the recording with p = 0.55; each peak above it is an interval of ± k, and a peak within
k of a higher one belongs to that.

Our reading: the curve is not the network's but the motion signal that the causal spotter reads, or the
plain difference between frames; k is the mean half length of the ground truth that is measured on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.long_video import LongVideo
from training.spotting.baselines.course import Floats, Scored, candidate
from training.spotting.signal import Signal

P = 0.55


def half_length(videos: Sequence[LongVideo]) -> float:
    """k: half of the mean length of the micro-expressions in the ground truth, in seconds."""
    lengths = [micro.duration for video in videos for micro in video.micros]
    return float(np.mean(lengths)) / 2 if lengths else 0.14


def whole_video(signal: Signal, k: float) -> Scored:
    """On the motion signal that the causal spotter reads; scored by the p at which a peak is just reached."""
    return _peaks(signal, np.array([sample.signal for sample in signal.samples]), k)


def frame_difference(signal: Signal, k: float) -> Scored:
    """The same decision on the plain difference between frames."""
    return _peaks(signal, signal.difference.astype(np.float64), k)


def _peaks(signal: Signal, curve: Floats, k: float) -> Scored:
    if len(curve) < 3:
        return []
    times = np.array([sample.time for sample in signal.samples])
    step = max(float(np.median(np.diff(times))), 1e-3)
    window = np.ones(max(1, round(k / step)))
    smooth = np.convolve(curve, window, "same") / np.convolve(np.ones_like(curve), window, "same")
    height = (smooth - smooth.mean()) / max(smooth.max() - smooth.mean(), 1e-9)
    found: Scored = []
    for index in np.argsort(-height, kind="stable"):
        if height[index] <= 0:
            break
        apex = float(times[index])
        if all(abs(apex - other.apex) > k for _, other in found):
            value = float(height[index])
            found.append((value, candidate(signal, (apex - k, apex, apex + k), value / P)))
    return found
