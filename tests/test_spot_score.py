"""Scores of spotting against cases whose answer is known, and what holds for every case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotting.candidate import Candidate, Rejection
from training.datasets.long_video import LongVideo, Movement
from training.spotting.breakdown import lasting
from training.spotting.score import Outcome, iou, match, poisson, precision_at, score
from training.spotting.types import TypeScore, by_type, submission


def micro(onset, offset, **more):
    return Movement("micro", onset, (onset + offset) / 2, offset, **more)


def event(onset, offset, apex=None, decided=None):
    apex = (onset + offset) / 2 if apex is None else apex
    frames = (round(100 * onset), round(100 * apex), round(100 * offset))
    return Candidate(onset, apex, offset, *frames, 2.0, 1.0, "cheeks", offset if decided is None else decided)


def macro(onset, offset):
    return replace(event(onset, offset), kind="macro")


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
    assert json["apex_error_ms"] == {"p50": 30.0, "p90": 30.0}
    assert json["onset_error_ms"]["p50"] == json["offset_error_ms"]["p50"] == 0
    assert score([second]).to_dict()["apex_error_ms"]["p50"] is None


def test_movements_of_other_lengths_count_neither_for_nor_against():
    case = outcome(
        [micro(1, 1.1), micro(2, 2.4), micro(4, 4.1)], [event(1, 1.1), event(2, 2.4), event(4.08, 4.5)]
    )
    result = score([case], lasting)
    assert (result.truths, result.found, len(result.hits), result.false_alarms) == (1, 1, 1, 0)
    assert result.f1 == 1


def test_precision_is_restated_for_video_with_fewer_micro_expressions():
    crowded = outcome([micro(k, k + 0.4) for k in range(10)], [event(k, k + 0.4) for k in range(8)])
    result = score([crowded, outcome([], [event(3, 3.3)])])
    assert result.precision == pytest.approx(8 / 9)
    # One a minute: 0.8 hits a minute beside half a false alarm.
    assert result.precision_at(1.0) == pytest.approx(0.8 / 1.3)
    assert result.precision_at(0.3) == pytest.approx(0.24 / 0.74)
    assert result.to_dict()["precision_at_a_minute"] == {"1": 0.6154, "0.3": 0.3243}
    assert precision_at(1.0, recall=0.0, alarms_per_minute=0.0) is None


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 3.689), (1, 0.025, 5.572), (10, 4.795, 18.39)])
def test_few_false_alarms_leave_much_open(count, low, high):
    assert poisson(count) == pytest.approx((low, high), abs=0.03)
    (lower, upper) = score(
        [outcome([], [event(k, k + 0.3) for k in range(count)], minutes=4.0)]
    ).alarms_interval
    assert (4 * lower, 4 * upper) == pytest.approx(poisson(count))


def test_each_type_is_scored_by_itself_and_both_are_pooled():
    movements = [micro(1, 1.4), micro(2, 2.4), Movement("macro", 4, 5, 6), Movement("blink", 8, 8.1, 8.2)]
    one = replace(
        outcome(movements, [event(1, 1.4), event(4, 6)]), macros=(macro(4.2, 6), macro(8, 9), macro(2, 2.4))
    )
    two = replace(outcome([Movement("macro", 1, 2, 3)], []), macros=(macro(1, 3),))
    assert by_type([one, two]) == {
        "micro": TypeScore(truths=2, found=2, hits=1),  # a hit is of the same type
        "macro": TypeScore(truths=2, found=4, hits=2),
        "overall": TypeScore(truths=4, found=6, hits=3),
    }
    assert by_type([one, two])["overall"].f1 == pytest.approx(2 * 3 / (6 + 4))
    assert by_type([])["overall"].to_dict()["f1"] == 0
    assert score([one, two]).missed == {"macro": 1}
    assert score([one, two]).found == 2, "a macro-expression is no false alarm of a micro-expression"


def test_the_submission_is_the_challenges_csv():
    found = replace(outcome([], [event(1.0, 1.5), event(4.0, 4.2)]), macros=(macro(2.0, 3.0),))
    assert submission([found]).splitlines() == [
        "vid,pred_onset,pred_offset,type",
        "clip,100,150,me",
        "clip,200,300,mae",
        "clip,400,420,me",
    ]


def test_a_submission_numbers_the_frames_of_a_video_from_1_and_pictures_as_their_names_do():
    pictures = outcome([], [event(1.0, 1.5)])
    video = replace(pictures, video=replace(pictures.video, file=Path("clip.mp4")))
    assert submission([pictures]).splitlines()[1] == "clip,100,150,me"
    assert submission([video]).splitlines()[1] == "clip,101,151,me"
