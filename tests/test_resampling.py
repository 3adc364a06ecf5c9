"""The bootstrap draws whole units, repeatably, and its intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.bootstrap import bounds, drawn


def test_each_draw_has_as_many_units_as_there_are_and_repeats() -> None:
    times = drawn(7, draws=50, seed=3)
    assert times.shape == (50, 7)
    assert (times.sum(axis=1) == 7).all()
    assert (times == drawn(7, draws=50, seed=3)).all()
    assert (times != drawn(7, draws=50, seed=4)).any()


def test_the_interval_of_a_mean_is_as_wide_as_statistics_say() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bounds(drawn(400) @ values / 400)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.03)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_draws_without_a_value_are_left_out() -> None:
    low, high = bounds(np.array([np.nan, 1.0, 2.0, 3.0]))
    assert 1 <= low < high <= 3
