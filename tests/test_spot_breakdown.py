"""What scores are broken down by: recordings and true movements, each with how many and how sure."""

from __future__ import annotations

import pytest
from test_spot_score import event, micro, outcome

from spotting.scoring.wilson import wilson
from training.datasets.long_video import Movement
from training.spotting.breakdown import by, by_sort, same_timelines
from training.spotting.score import score


def beside(kind, onset, offset):
    return Movement(kind, onset, (onset + offset) / 2, offset)


def parts(name, *outcomes):
    return by_sort(name, outcomes, score(outcomes).hits)


def test_recordings_by_condition_and_the_same_events_at_two_rates():
    def at(fps, timeline, hit):
        return outcome(
            [micro(1, 1.4)], [event(1, 1.4)] * hit, fps=fps, timeline=timeline, peak=timeline + 1.0
        )

    cases = [at(30.0, 0, 1), at(30.0, 1, 0), at(200.0, 0, 1)]
    assert {value: result.f1 for value, result in by("peak", cases).items()} == {1.0: 1.0, 2.0: 0.0}
    assert {value: result.truths for value, result in by("fps", cases).items()} == {30.0: 2, 200.0: 1}
    assert same_timelines(cases, (30.0, 200.0)) == [cases[0], cases[2]]


def test_recordings_that_do_not_say_a_condition_are_left_out():
    cases = [outcome([micro(1, 1.4)], [], drift=1.0, peak=0.0), outcome([micro(1, 1.4)], [])]
    assert {value: result.truths for value, result in by("drift", cases).items()} == {1.0: 1}
    assert by("peak", cases) == {}, "each movement has a peak of its own"
    assert same_timelines(cases, (30.0,)) == []


def test_jpeg_stands_beside_rate_factors():
    cases = [outcome([], [], crf=crf) for crf in (None, 24, 16)]
    assert list(by("crf", cases)) == [16, 24, "JPEG"]


def test_movements_by_what_goes_on_at_the_same_time():
    truth = [micro(1, 1.4), micro(3, 3.4), micro(5, 5.4), micro(7, 7.4)]
    others = [
        beside("blink", 3.2, 3.5),
        beside("blink", 5.3, 5.6),
        beside("speech", 4.0, 5.1),
        beside("gaze", 7.4, 7.44),  # begins where the movement ends
    ]
    found = parts("overlap", outcome([*truth, *others], [event(1, 1.4), event(3, 3.4)]))
    assert {sort: (part.truths, part.recall) for sort, part in found.items()} == {
        "alone": (2, 0.5),
        "a blink in it": (2, 0.5),
        "talk": (1, 0.0),
    }


def test_nothing_is_said_of_overlap_where_only_expressions_are_annotated():
    assert parts("overlap", outcome([micro(1, 1.4), beside("macro", 2, 5)], [event(1, 1.4)])) == {}


def test_movements_by_peak_and_duration():
    small, large = micro(1, 1.1, peak_px=0.5), micro(3, 3.47, peak_px=5.0)
    unknown = micro(5, 5.3)
    case = outcome([small, large, unknown], [event(3.02, 3.47)])
    peaks = parts("peak, px", case)
    assert {sort: part.truths for sort, part in peaks.items()} == {"under 0.65": 1, "4 and more": 1}
    durations = parts("duration, ms", case)
    assert {sort: part.recall for sort, part in durations.items()} == {
        "under 150": 0,
        "250 to 350": 0,
        "440 to 500": 1,
    }
    assert durations["440 to 500"].to_dict()["onset_error_ms"] == {"p50": 20.0, "p90": 20.0}


def test_the_interval_of_a_share_is_wilsons():
    assert wilson(3, 3) == pytest.approx((0.438, 1.0), abs=1e-3)
    assert wilson(0, 10) == pytest.approx((0.0, 0.278), abs=1e-3)
    assert wilson(30, 40) == pytest.approx((0.598, 0.858), abs=1e-3)
