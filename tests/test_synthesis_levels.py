"""The comparison of both levels of the synthesis: statistics that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmarks.synthesis_levels import STATISTICS, distance, drawn, statistics, summary
from training.synthesis.random_motion import NON_EVENT, SynthesisConfig


def noise(n: int = 4) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).normal(0.5, 0.1, (n, 3, 28, 28))


def test_contrast_changes_the_spread_alone() -> None:
    first, fainter = statistics(noise()), statistics(0.5 * noise() + 0.2)
    spread = STATISTICS.index("spread")
    assert np.allclose(fainter[:, spread], 0.5 * first[:, spread])
    others = [k for k in range(len(STATISTICS)) if k != spread]
    assert np.allclose(fainter[:, others], first[:, others])


def test_smoothing_takes_roughness_and_grain_away() -> None:
    smooth = np.stack([[cv2.GaussianBlur(channel, None, 2.0) for channel in x] for x in noise()])
    before, after = statistics(noise()), statistics(smooth)
    for name in ("roughness", "grain"):
        assert (after[:, STATISTICS.index(name)] < 0.5 * before[:, STATISTICS.index(name)]).all()


def test_one_spot_is_more_peaked_than_noise() -> None:
    spot = noise()
    spot[:, :, 10:12, 10:12] += 3
    peaked = STATISTICS.index("peakedness")
    assert (statistics(spot)[:, peaked] > 5 * statistics(noise())[:, peaked]).all()


def test_a_level_is_at_no_distance_from_itself_and_noise_moves_it_away() -> None:
    config = SynthesisConfig()
    part = drawn("events", config, 60)
    assert (part.label != NON_EVENT).all()
    assert (drawn("non-events", config, 20).label == NON_EVENT).all()
    unit = [x.double().numpy() / 255 for x in (part.entire, part.puzzled)]
    own = {"events": summary(unit[0], unit[1])}
    assert distance(config, own, 60) == pytest.approx(0)
    assert distance(replace(config, noise=1.0), own, 60) > 0.1
