"""Makes the lids of rendered clips read as real ones do.

FaceMesh takes a drawn lid for less closed than a real one: a full blink lowers the measured opening of the
eyes by 0.15 to 0.35 in the rendered training clips, by 0.31 to 0.49 and at most 0.57 on real faces
(``python -m benchmarks.blinks``). A classifier that learns from that takes eyes that narrow for a blink. So
the measured course of the lids is deepened, by another factor for every clip. Only for training: clips used
for measuring are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo, Movement

FULL_BLINK = (0.4, 0.58)
"""Range of the relative fall of the measured opening in a full blink: the deeper half of what real faces
show."""
_WITHOUT_BLINKS = 0.25
"""The same for a rendered clip without a blink."""
_LEAST_DIP = 0.08
"""Landmarks that follow the lids less than this do not follow them at all."""
_DEEPEST = 4.0
"""The greatest factor: beyond it the landmarks' noise would look like lids."""
_CLOSED = 0.3
"""The least measured opening of closed eyes, as a fraction of the usual opening."""
_LATE_S = 0.08
"""Landmarks are up to this late."""
_FULL_RANK = 80
"""Percentile of a clip's blinks that counts as a full blink; weaker ones are half blinks."""


def lifelike_lids(video: LongVideo, samples: Sequence[MotionSample], seed: int) -> Sequence[MotionSample]:
    """The samples with lids that fall as far in a full blink as on real faces; ``seed`` draws how far."""
    seen = [sample for sample in samples if sample.face]
    if not seen:
        return samples
    usual = float(np.median([sample.eye_opening for sample in seen]))
    blinks = [movement for movement in video.movements if movement.kind == "blink"]
    dips = [_dip(blink, seen, usual) for blink in blinks]
    full = max(float(np.percentile(dips, _FULL_RANK)), _LEAST_DIP) if dips else _WITHOUT_BLINKS
    wanted = float(np.random.default_rng((seed, 6)).uniform(*FULL_BLINK))
    factor = float(np.clip(wanted / full, 1.0, _DEEPEST))
    return [replace(s, eye_opening=_deeper(s.eye_opening, usual, factor)) if s.face else s for s in samples]


def _dip(blink: Movement, seen: Sequence[MotionSample], usual: float) -> float:
    """The fall of the measured opening in a blink, as a fraction of ``usual``."""
    during = [s.eye_opening for s in seen if blink.onset < s.time < blink.offset + _LATE_S]
    return max(1 - min(during) / usual, 0.0) if during else 0.0


def _deeper(opening: float, usual: float, factor: float) -> float:
    if opening >= usual:
        return opening
    return max(usual + factor * (opening - usual), _CLOSED * usual)
