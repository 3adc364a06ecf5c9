"""Frames of a live stream keep the distances at which they were taken, whatever the network does to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from stream.sources.arrival_clock import ArrivalClock


def stamps(times: Sequence[float | None], arrivals: Sequence[float]) -> list[float]:
    clock = ArrivalClock()
    return [clock.stamp(time, arrived) for time, arrived in zip(times, arrivals, strict=True)]


def test_a_burst_keeps_the_distances_of_the_sender() -> None:
    found = stamps([9.0, 9.05, 9.10, 9.15], [100.0, 100.16, 100.19, 100.20])
    assert found == pytest.approx([100.0, 100.05, 100.10, 100.15], abs=1e-3)


def test_jitter_of_the_network_is_not_jitter_of_the_frames() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(3000) / 60
    arrivals = np.maximum.accumulate(times + 500 + rng.exponential(0.03, 3000))
    found = np.array(stamps(times.tolist(), arrivals.tolist()))
    assert np.percentile(np.abs(np.diff(found) - 1 / 60), 99) < 0.003
    assert np.all(found <= arrivals + 0.01)


def test_a_sender_whose_clock_runs_slower_is_followed() -> None:
    ours = np.arange(0, 600, 0.1)
    for rate in (0.9998, 1.0002):
        found = stamps((7 + rate * ours).tolist(), (50 + ours).tolist())
        assert found[-1] == pytest.approx(50 + ours[-1], abs=0.01)


def test_a_first_frame_that_was_held_up_is_made_good() -> None:
    times = np.arange(0, 20, 0.05)
    arrivals = 80 + np.maximum(times, 0.9)  # all of the first 0.9 s arrive at once
    found = stamps(times.tolist(), arrivals.tolist())
    assert np.percentile(np.abs(np.diff(found) - 0.05), 99) < 0.0051
    assert found[-1] == pytest.approx(80 + times[-1], abs=1e-6)


def test_leaps_of_the_clock_are_not_leaps_in_time() -> None:
    arrivals = [10 + 0.04 * k for k in range(30)]
    wrong = [0.04 * k for k in range(30)]
    wrong[10] += 95_443.7  # one timestamp of a broken sender
    assert stamps(wrong, arrivals) == pytest.approx(arrivals)
    restarted = [0.04 * (k % 15) for k in range(30)]
    assert stamps(restarted, arrivals) == pytest.approx(arrivals)
    ahead = [0.04 * k + (k >= 15) * 3600 for k in range(30)]
    assert stamps(ahead, arrivals) == pytest.approx(arrivals)
    assert stamps([None] * 30, arrivals) == arrivals


def test_a_network_that_pauses_and_catches_up() -> None:
    times = [0.04 * k for k in range(100)]
    arrivals = [t if t < 1 else max(t, 3.0) for t in times]
    found = stamps(times, arrivals)
    assert found == pytest.approx(times, abs=0.005)
    assert all(a < b for a, b in pairwise(found))
