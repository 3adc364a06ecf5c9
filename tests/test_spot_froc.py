"""The FROC curve: known cases, and how it agrees with the score at one threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from motion_curves import Agreeing, Bump, at_rate, samples
from test_spot_score import event, intervals, micro, outcome

from spotting.classifier import Prediction
from spotting.spotter_config import SpotterConfig
from training.datasets.long_video import LongVideo
from training.spotting.evaluate import Networks, spot
from training.spotting.froc import LEVELS, froc
from training.spotting.score import Outcome, score
from training.spotting.signal import Signal


def scored(truth, found, minutes=1.0):
    """``found``: (score, onset, offset)."""
    plain = outcome([micro(*t) for t in truth], [], minutes=minutes)
    return Outcome(plain.video, minutes, (), scored=tuple((s, event(*when)) for s, *when in found))


def test_the_curve_of_a_known_case():
    first = scored([(1, 1.4), (3, 3.4)], [(0.9, 1, 1.4), (0.7, 6, 6.3), (0.3, 3, 3.4)])
    second = scored([(1, 1.4)], [(0.7, 1, 1.4), (0.5, 1.3, 1.9), (0.2, 8, 8.2)], minutes=3.0)
    curve = froc([first, second]).curve
    # Equal scores count together; one that only touches a true movement is neither hit nor alarm.
    assert curve.scores.tolist() == [0.9, 0.7, 0.5, 0.3, 0.2]
    assert curve.alarms.tolist() == [0, 0.25, 0.25, 0.25, 0.5]
    assert curve.recall == pytest.approx(np.array([1, 2, 2, 3, 3]) / 3)
    assert curve.recall_at((0.1, 0.25, 0.4, 2.0)) == pytest.approx(np.array([1, 3, 3, 3]) / 3)
    assert (curve.score_at(0.1), curve.score_at(0.25), curve.score_at(9)) == (0.9, 0.3, 0.2)


def test_of_two_that_fit_one_movement_only_one_is_a_hit():
    curve = froc([scored([(1, 1.4)], [(0.9, 1, 1.4), (0.8, 1.02, 1.4)])]).curve
    assert curve.recall.tolist() == [1, 1]
    assert curve.alarms.tolist() == [0, 0]


def test_nothing_scored_is_a_recall_of_nothing():
    for outcomes in ([], [scored([(1, 1.4)], [])], [scored([], [], minutes=0.0)]):
        found = froc(outcomes, draws=5)
        assert found.curve.recall_at(LEVELS).tolist() == [0.0] * len(LEVELS)
        assert found.curve.score_at(1.0) is None
        assert found.to_dict()["at"][0]["least_score"] is None


events = st.tuples(st.integers(0, 5).map(lambda score: score / 5), intervals).map(
    lambda pair: (pair[0], *pair[1])
)


@given(truth=st.lists(intervals, max_size=4), found=st.lists(events, max_size=8), least=st.integers(0, 5))
def test_a_point_of_the_curve_is_the_score_at_that_threshold(truth, found, least):
    case = scored(truth, found)
    kept = tuple(event for value, event in case.scored if value >= least / 5)
    whole = score([Outcome(case.video, 1.0, kept)])
    curve = froc([case], draws=2).curve
    above = curve.scores >= least / 5
    assert (np.diff(curve.recall) >= 0).all()
    assert (np.diff(curve.alarms) >= 0).all()
    if above.any():
        assert curve.alarms[above][-1] == whole.false_alarms
        if not any(a[0] < b[1] and b[0] < a[1] for a in truth for b in truth if a is not b):
            assert curve.recall[above][-1] == pytest.approx(len(whole.hits) / max(whole.truths, 1))


def test_the_band_is_a_bootstrap_over_recordings():
    rng = np.random.default_rng(0)
    hits = rng.random(60) < 0.7
    cases = [scored([(1, 1.4)], [(0.9, 1, 1.4)] if hit else []) for hit in hits]
    low, high = froc(cases).band((0.25,))[:, 0]
    middle = hits.mean()
    spread = 1.96 * np.sqrt(middle * (1 - middle) / 60)
    assert (low, high) == pytest.approx((middle - spread, middle + spread), abs=0.03)
    assert froc(cases).band((0.25,)).tolist() == [[low], [high]]


def test_the_report_restates_precision_at_every_level():
    case = scored([(1, 1.4), (3, 3.4)], [(0.9, 1, 1.4), (0.5, 6, 6.2)], minutes=4.0)
    at = {row["false_alarms_per_minute"]: row for row in froc([case], draws=20).to_dict()["at"]}
    assert at[0.25]["recall"] == 0.5
    assert at[0.25]["least_score"] == 0.5
    assert at[0.25]["precision_at_a_minute"] == {"1": round(0.5 / 0.75, 4), "0.3": round(0.15 / 0.4, 4)}


def by_height(movement, *seen):
    """A classifier that believes in what moves far."""
    times = movement.apex - 0.1, movement.apex, movement.apex + 0.12
    return Prediction(min(movement.peak / 4, 0.89), "speech", *times)


def test_the_causal_curve_goes_through_the_point_that_the_spotter_is_set_to():
    bumps = [Bump(2, 2.14, 2.3, 1.2), Bump(5, 5.14, 5.3, 2.6), Bump(8, 8.14, 8.3, 3.2)]
    stream = samples(at_rate(60, 10.0), lambda t: sum(bump(t) for bump in bumps))
    signal = Signal(tuple(stream), np.zeros(len(stream), np.float32))
    outcome = spot(LongVideo("clip", (), 60.0), signal, Networks(by_height, Agreeing()))
    scored = sorted(outcome.scored, key=lambda pair: pair[1].apex)
    assert [round(event.apex) for event in outcome.found] == [5, 8]
    assert [round(event.apex) for _, event in scored] == [2, 5, 8]
    least = SpotterConfig().accept_probability
    assert tuple(event for value, event in scored if value >= least) == outcome.found
