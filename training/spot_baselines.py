"""What the causal spotter is compared with: thresholds that are set with the whole recording in hand.

``whole_video`` is the training-free decision that followed SOFTNet (Liong et al. 2021, DOI
10.1109/ICIP42928.2021.9506663): smooth by k, half the mean length of a micro-expression; threshold
mean + 0.55 (max − mean) of the recording; each peak above it is an interval of ± k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spotting.candidate import Candidate
from training.datasets.long_video import LongVideo
from training.spot_signal import Signal

SHARE = 0.55


def half_length(videos: Sequence[LongVideo]) -> float:
    """k: half of the mean length of the micro-expressions in the truth, in seconds."""
    lengths = [micro.offset - micro.onset for video in videos for micro in video.micros]
    return float(np.mean(lengths)) / 2 if lengths else 0.14


def whole_video(signal: Signal, k: float) -> list[Candidate]:
    """On the motion signal that the causal spotter reads."""
    return _peaks(signal, np.array([sample.signal for sample in signal.samples]), k)


def frame_difference(signal: Signal, k: float) -> list[Candidate]:
    """The same decision on the plain difference between pictures."""
    return _peaks(signal, signal.difference.astype(np.float64), k)


def _peaks(signal: Signal, curve: npt.NDArray[np.float64], k: float) -> list[Candidate]:
    if len(curve) < 3:
        return []
    times = np.array([sample.time for sample in signal.samples])
    step = max(float(np.median(np.diff(times))), 1e-3)
    window = np.ones(max(1, round(k / step)))
    smooth = np.convolve(curve, window, "same") / np.convolve(np.ones_like(curve), window, "same")
    threshold = smooth.mean() + SHARE * (smooth.max() - smooth.mean())
    found: list[Candidate] = []
    for index in np.argsort(-smooth, kind="stable"):
        if smooth[index] < threshold:
            break
        if all(abs(times[index] - other.apex) > k for other in found):
            found.append(_interval(signal, times, int(index), k, float(smooth[index] / threshold)))
    return sorted(found, key=lambda event: event.onset)


def _interval(
    signal: Signal, times: npt.NDArray[np.float64], index: int, k: float, height: float
) -> Candidate:
    first, last = (int(np.abs(times - (times[index] + way)).argmin()) for way in (-k, k))
    sample = signal.samples[index]
    return Candidate(
        onset=float(times[index] - k),
        apex=float(times[index]),
        offset=float(times[index] + k),
        onset_frame=signal.samples[first].frame,
        apex_frame=sample.frame,
        offset_frame=signal.samples[last].frame,
        score=height,
        peak=sample.signal,
        region=sample.region,
        decided=float(times[-1]),  # the threshold needs the recording's end
    )
