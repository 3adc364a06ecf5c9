"""Scores of spotting against cases whose answer is known, and what holds for every case."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from motion_curves import Bump, at_rate, samples

from spotting.candidate import Candidate, Rejection
from training.datasets.long_video import LongVideo, Movement
from training.spot_baselines import frame_difference, half_length, whole_video
from training.spot_evaluate import by, same_timelines, submission
from training.spot_score import Outcome, iou, match, score
from training.spot_signal import Signal


def micro(onset, offset, **more):
    return Movement("micro", onset, (onset + offset) / 2, offset, **more)


def event(onset, offset, apex=None, decided=None):
    apex = (onset + offset) / 2 if apex is None else apex
    frames = (round(100 * onset), round(100 * apex), round(100 * offset))
    return Candidate(onset, apex, offset, *frames, 2.0, 1.0, "cheeks", offset if decided is None else decided)


def outcome(movements, found, rejections=(), minutes=1.0, fps=30.0, **conditions):
    video = LongVideo("clip", tuple(movements), fps, conditions=conditions)
    return Outcome(video, minutes, tuple(found), tuple(rejections))


times = st.floats(0, 20)
intervals = st.tuples(times, st.floats(0.05, 1)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def test_iou_of_known_intervals():
    assert iou(micro(0, 1), event(0, 1)) == 1
    assert iou(micro(0, 1), event(0.5, 1.5)) == pytest.approx(1 / 3)
    assert iou(micro(0, 1), event(1, 2)) == 0
    assert iou(micro(0, 1), event(3, 4)) == 0


@given(a=intervals, b=intervals)
def test_iou_is_symmetric_and_a_share(a, b):
    one, other = micro(*a), micro(*b)
    assert iou(one, other) == pytest.approx(iou(other, one))
    assert 0 <= iou(one, other) <= 1
    assert iou(one, one) == pytest.approx(1)


@given(truth=st.lists(intervals, max_size=8), found=st.lists(intervals, max_size=8))
def test_matching_is_one_to_one_and_only_of_enough_overlap(truth, found):
    pairs = match([micro(*t) for t in truth], [event(*f) for f in found])
    assert all(iou(true, event) >= 0.5 for true, event in pairs)
    assert len({id(true) for true, _ in pairs}) == len({id(event) for _, event in pairs}) == len(pairs)


@given(truth=st.lists(intervals, min_size=1, max_size=8))
def test_what_repeats_the_truth_is_perfect_and_nothing_is_nothing(truth):
    movements = [micro(*t) for t in truth]
    perfect = score([outcome(movements, [event(*t) for t in truth])])
    # Truths that overlap each other may claim each other's event, but no event is lost.
    assert perfect.f1 == perfect.precision == perfect.recall == 1
    assert perfect.false_alarms == 0
    nothing = score([outcome(movements, [])])
    assert nothing.f1 == nothing.recall == nothing.precision == 0
    assert nothing.missed == {"not seen": len(truth)}


def test_pooled_counts_errors_and_delays():
    first = outcome(
        [micro(1.0, 1.4), micro(3.0, 3.2), Movement("macro", 5, 5.5, 7)],
        [event(1.0, 1.4, apex=1.23, decided=1.35), event(3.15, 3.6), event(5.1, 5.5), event(9, 9.2)],
        [Rejection(event(8, 8.1), "too short")],
    )
    second = outcome([micro(2, 2.4)], [], [Rejection(event(2, 2.4), "blink")], minutes=3.0)
    result = score([first, second])
    assert (result.truths, result.found, len(result.hits)) == (3, 4, 1)
    assert result.f1 == pytest.approx(2 / 7)
    assert result.hits[0].apex_error_ms == pytest.approx(30)
    assert result.hits[0].delay_ms == pytest.approx(150)
    # What overlaps a true movement a little costs precision, but is no alarm for nothing.
    assert result.false_alarms == 2
    assert result.alarms_during == {"macro": 1, "nothing": 1}
    assert result.alarms_per_minute == pytest.approx(0.5)
    assert result.missed == {"badly delimited": 1, "blink": 1}
    assert result.rejected == {"too short": 1, "blink": 1}
    json = result.to_dict()
    assert json["apex_error_ms"] == {"p50": 30.0, "p95": 30.0}
    assert score([second]).to_dict()["apex_error_ms"]["p50"] is None


def test_movements_of_other_lengths_count_neither_for_nor_against():
    case = outcome(
        [micro(1, 1.1), micro(2, 2.4), micro(4, 4.1)], [event(1, 1.1), event(2, 2.4), event(4.08, 4.5)]
    )
    lasting = score([case], shortest=0.2)
    assert (lasting.truths, lasting.found, len(lasting.hits), lasting.false_alarms) == (1, 1, 1, 0)
    assert lasting.f1 == 1


def test_breaking_down_and_the_same_events_at_two_rates():
    def at(fps, timeline, hit):
        return outcome(
            [micro(1, 1.4)], [event(1, 1.4)] * hit, fps=fps, timeline=timeline, peak=timeline + 1.0
        )

    cases = [at(30.0, 0, 1), at(30.0, 1, 0), at(200.0, 0, 1)]
    assert {value: result.f1 for value, result in by("peak", cases).items()} == {1.0: 1.0, 2.0: 0.0}
    assert same_timelines(cases, (30.0, 200.0)) == [cases[0], cases[2]]


def test_the_submission_is_the_challenges_csv():
    assert submission([outcome([], [event(1.0, 1.5)])]).splitlines() == [
        "vid,pred_onset,pred_offset,type",
        "clip,100,150,me",
    ]


# --- the baselines


def signal_with(bumps, fps=60, seconds=10.0):
    stream = samples(at_rate(fps, seconds), lambda t: sum(bump(t) for bump in bumps), noise=0.01)
    return Signal(tuple(stream), np.array([sample.signal for sample in stream], np.float32))


@pytest.mark.parametrize("spotter", [whole_video, frame_difference])
def test_a_whole_video_threshold_finds_equal_peaks_and_misses_the_small_one(spotter):
    bumps = [Bump(2, 2.15, 2.3, 1.5), Bump(5, 5.15, 5.3, 1.5), Bump(7, 7.15, 7.3, 0.4)]
    found = spotter(signal_with(bumps), 0.15)
    assert [candidate.apex for candidate in found] == pytest.approx([2.15, 5.15], abs=0.03)
    assert all(candidate.duration == pytest.approx(0.3) for candidate in found)
    assert all(math.isclose(candidate.decided, 10.0, abs_tol=0.1) for candidate in found)


def test_an_empty_recording_has_no_peaks():
    assert whole_video(Signal((), np.zeros(0, np.float32)), 0.15) == []


def test_half_length_is_that_of_the_micro_expressions():
    video = LongVideo("clip", (micro(1, 1.2), micro(2, 2.4), Movement("macro", 4, 5, 9)), 30.0)
    assert half_length([video]) == pytest.approx(0.15)
