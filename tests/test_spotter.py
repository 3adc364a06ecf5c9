"""The spotter on curves: the same answer at every frame rate, every reason to decline, nothing from noise."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_curves import Bump, at_rate, blind, irregular, samples, spot

from spotting import Spotter, SpotterConfig
from spotting.refusal import Rules
from spotting.spotter import RULED

BUMP = Bump(2.0, 2.15, 2.32)
RATES = [25, 30, 50, 60, 100, 120, 200]


def only(found):
    assert len(found) == 1, found
    return found[0]


def reasons(spotter):
    return [rejection.reason for rejection in spotter.rejections]


# --- law 1: time in milliseconds, whatever the frame rate


@cache
def reference():
    """BUMP as densely as can be."""
    return only(spot(Spotter(), samples(at_rate(1000, 3.0), BUMP)))


def same_movement(found, times):
    """The movement is BUMP, within a frame or 15 ms of what the densest sampling says."""
    frame = max(0.015, float(np.diff(times).max()))
    assert found.onset == pytest.approx(reference().onset, abs=0.015)
    assert found.apex == pytest.approx(reference().apex, abs=frame)
    # Foreseen from the slope of the fall, so less exact: 13 ms at most in 400 irregular samplings, once 16.
    assert found.offset == pytest.approx(reference().offset, abs=0.02)
    assert found.peak == pytest.approx(reference().peak, rel=0.15)
    # The frames that are handed on are the ones of those times.
    assert times[found.onset_frame] == pytest.approx(found.onset, abs=frame)
    assert times[found.apex_frame] == pytest.approx(found.apex, abs=frame)
    assert times[found.offset_frame] <= found.decided


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("fps", RATES)
def test_a_movement_is_the_same_at_every_rate(fps, phase):
    times = at_rate(fps, phase=phase)
    same_movement(only(spot(Spotter(), samples(times, BUMP))), times)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_and_at_a_variable_rate(seed):
    times = irregular(seed)
    same_movement(only(spot(Spotter(), samples(times, BUMP))), times)


@pytest.mark.parametrize("fps", RATES)
def test_times_are_near_the_truth_and_in_order(fps):
    found = only(spot(Spotter(), samples(at_rate(fps), BUMP, noise=0.01)))
    assert found.onset == pytest.approx(BUMP.onset, abs=0.04)
    assert found.apex == pytest.approx(BUMP.apex, abs=max(0.015, 0.6 / fps))
    assert found.offset == pytest.approx(BUMP.offset, abs=0.04)
    assert found.onset < found.apex < found.offset
    assert found.onset_frame < found.apex_frame < found.offset_frame
    assert found.region == "lip corners"
    assert found.peak == pytest.approx(BUMP.height, rel=0.15)
    assert found.score == pytest.approx(found.peak / RULED.min_motion)


@settings(max_examples=60, deadline=None)
@given(
    rise=st.floats(0.06, 0.2),
    fall=st.floats(0.08, 0.2),
    height=st.floats(0.6, 2.9),
    fps=st.sampled_from([30, 60, 100, 200]),
    start=st.floats(1.5, 1.6),
)
def test_any_micro_movement_is_found_and_decided_within_150_ms_of_its_apex(rise, fall, height, fps, start):
    bump = Bump(start, start + rise, start + rise + fall, height)
    found = only(spot(Spotter(), samples(at_rate(fps), bump)))
    assert found.apex == pytest.approx(bump.apex, abs=max(0.02, 1 / fps))
    assert found.decided - found.apex <= 0.15
    slack = max(0.02, 1 / fps)  # the signal is averaged over two frames of a slow camera
    assert bump.onset - slack <= found.onset < found.apex < found.offset <= bump.offset + slack


def test_two_movements_are_two():
    second = Bump(2.6, 2.72, 2.86, 1.0)
    found = spot(Spotter(), samples(at_rate(60), lambda t: BUMP(t) + second(t)))
    assert [candidate.apex for candidate in found] == pytest.approx([2.15, 2.72], abs=0.02)
    assert found[0].decided < found[1].onset


# --- every reason to decline


@pytest.mark.parametrize("fps", [30, 60, 200])
@pytest.mark.parametrize(
    "bump",
    [
        Bump(1.5, 1.9, 2.4),  # slow
        Bump(1.5, 1.65, 2.6, hold=0.8),  # held
        Bump(1.5, 1.8, 2.1 + 0.2),  # a little too long
        Bump(1.5, 1.6, 9.0, hold=7.2),  # does not come back
    ],
)
def test_more_than_half_a_second_is_macro(fps, bump):
    spotter = Spotter()
    macro = only(spot(spotter, samples(at_rate(fps), bump)))
    assert macro.kind == "macro"
    assert macro.onset == pytest.approx(bump.onset, abs=0.12)
    assert reasons(spotter) == []


def test_the_bound_between_micro_and_macro_is_the_setting():
    spotter = Spotter(SpotterConfig(max_duration_ms=200))
    assert only(spot(spotter, samples(at_rate(60), BUMP))).kind == "macro"
    assert only(spot(Spotter(), samples(at_rate(60), BUMP))).kind == "micro"
    assert spotter.look_behind_ms >= 400


@pytest.mark.parametrize("fps", [120, 200])
def test_a_twitch_of_two_frames_is_too_short(fps):
    spotter = Spotter(SpotterConfig(smoothing_ms=0))
    times = at_rate(fps)
    twitch = samples(times, lambda t: 1.0 if 2.0 <= t < 2.0 + 1.5 / fps else 0.0)
    assert spot(spotter, twitch) == []
    assert reasons(spotter) == ["too short"]


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_a_blink_is_no_expression(fps):
    def lids(sample):
        return replace(sample, eye_opening=0.3 - 0.2 * BUMP(sample.time) / BUMP.height)

    spotter = Spotter()
    assert spot(spotter, samples(at_rate(fps), BUMP, change=lids)) == []
    assert reasons(spotter) == ["blink"]
    # One that is long over takes nothing away.
    early = Bump(1.0, 1.1, 1.25)

    def early_lids(sample):
        return replace(sample, eye_opening=0.3 - 0.2 * early(sample.time) / early.height)

    spotter = Spotter()
    found = spot(spotter, samples(at_rate(fps), lambda t: early(t) + BUMP(t), change=early_lids))
    assert only(found).apex == pytest.approx(2.15, abs=0.02)
    assert reasons(spotter) == ["blink"]


@pytest.mark.parametrize("fps", [30, 200])
def test_narrow_eyes_are_no_blink_once_they_are_usual(fps):
    """The usual opening is learnt over seconds, not over a number of frames."""

    def narrow(sample):
        return replace(sample, eye_opening=0.3 if sample.time < 1.0 else 0.2)

    late = Bump(7.0, 7.15, 7.3)
    found = spot(Spotter(), samples(at_rate(fps, 8.0), late, change=narrow))
    assert only(found).apex == pytest.approx(7.15, abs=0.02)


def test_a_moving_head_makes_it_doubtful():
    def nod(sample):
        return replace(sample, head=20.0 if 2.05 < sample.time < 2.1 else 0.5)

    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), BUMP, change=nod)) == []
    assert reasons(spotter) == ["head motion"]


def talking(sample):
    """The mouth opens: lower lip and chin go further than all else."""
    regions = {**sample.regions, "lip corners": 0.3 * sample.signal, "lower lip": sample.signal}
    return replace(sample, regions=regions, region="lower lip")


@pytest.mark.parametrize("fps", [30, 200])
def test_a_mouth_that_opens_is_speech(fps):
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(fps), BUMP, change=talking)) == []
    assert reasons(spotter) == ["speech"]


def test_after_speech_the_lower_face_is_still_talking_but_the_brows_are_not():
    word, smile = Bump(1.0, 1.1, 1.25), Bump(1.7, 1.8, 1.95)

    def stream(smile_region):
        def change(sample):
            if sample.time < 1.5:
                return talking(sample)
            regions = {**sample.regions, "lip corners": 0.1, smile_region: sample.signal}
            return replace(sample, regions=regions, region=smile_region)

        return samples(at_rate(60), lambda t: word(t) + smile(t), change=change)

    spotter = Spotter()
    assert spot(spotter, stream("lip corners")) == []
    assert reasons(spotter) == ["speech", "speech"]
    spotter = Spotter()
    assert only(spot(spotter, stream("inner brows"))).apex == pytest.approx(1.8, abs=0.02)
    late = Spotter(rules=Rules(speech_pause_ms=200))
    assert only(spot(late, stream("lip corners"))).region == "lip corners"


def test_what_is_strong_is_not_subtle():
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), replace(BUMP, height=4.0))) == []
    assert reasons(spotter) == ["too strong"]


def test_light_that_changes_is_no_movement():
    def lamp(sample):
        return replace(sample, brightness=120.0 if sample.time < 2.15 else 150.0)

    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), BUMP, change=lamp)) == []
    assert reasons(spotter) == ["light"]


def test_a_face_lost_meanwhile():
    spotter = Spotter()
    stream = samples(at_rate(60), BUMP, change=lambda s: blind(s) if 2.1 < s.time < 2.4 else s)
    assert spot(spotter, stream) == []
    assert reasons(spotter) == ["face lost"]


def test_a_recording_cut_off_meanwhile():
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60, 2.12), BUMP)) == []
    assert reasons(spotter) == ["cut off"]
    assert spotter.flush() == []
    assert reasons(spotter) == ["cut off"]


def test_a_new_neutral_face_under_way_is_macro():
    def rebase(sample):
        return replace(sample, rebased=abs(sample.time - 2.2) < 0.008)

    spotter = Spotter()
    assert only(spot(spotter, samples(at_rate(60), BUMP, change=rebase))).kind == "macro"


# --- beginnings and ends


def test_nothing_is_reported_while_the_face_is_learnt():
    early = Bump(0.1, 0.2, 0.35)
    spotter = Spotter()
    ready = []
    for sample in samples(at_rate(60, 1.0), early):
        assert spotter.push(sample) == []
        ready.append((sample.time, spotter.ready))
    assert min(time for time, is_ready in ready if is_ready) == pytest.approx(0.5, abs=0.02)
    assert spotter.rejections == []
    # The face comes back: everything is learnt anew.
    spotter.push(blind(samples([1.0])[0]))
    assert not spotter.ready
    again = Bump(1.1, 1.2, 1.35)
    late = Bump(1.8, 1.9, 2.05)
    rest = [s for s in samples(at_rate(60, 3.0), lambda t: again(t) + late(t)) if s.time > 1.0]
    assert only(spot(spotter, rest)).apex == pytest.approx(1.9, abs=0.02)


def test_a_movement_under_way_when_learning_ends_is_left_alone():
    under_way = Bump(0.4, 0.5, 0.7)
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), under_way)) == []


def test_reset_is_a_new_spotter():
    stream = samples(at_rate(60), BUMP, noise=0.01)
    fresh = spot(Spotter(), stream)
    used = Spotter()
    spot(used, samples(at_rate(60, 2.1), BUMP))
    assert used.rejections
    used.reset()
    assert used.rejections == []
    assert not used.ready
    assert spot(used, stream) == fresh


def test_a_gap_in_time_does_not_join_two_movements():
    """A camera that hangs for seconds in the middle of a movement."""
    stream = [s for s in samples(at_rate(60, 8.0), BUMP) if not 2.1 < s.time < 5.0]
    assert spot(Spotter(), stream) == []
    held = [s for s in samples(at_rate(60, 8.0), Bump(2.0, 2.1, 6.0, hold=3.5)) if not 2.1 < s.time < 5.0]
    assert spot(Spotter(), held) == []


def test_frames_that_are_missing_hide_what_was_under_way():
    spotter = Spotter()
    stream = [s for s in samples(at_rate(60, 8.0), BUMP) if not 2.1 < s.time < 2.35]
    assert spot(spotter, stream) == []
    assert reasons(spotter) == ["frames missing"]


# --- times that are not as they should be


@settings(max_examples=30, deadline=None)
@given(repeats=st.lists(st.integers(1, 3), min_size=40, max_size=40), fps=st.sampled_from([30, 60, 200]))
def test_repeated_frames_change_nothing(repeats, fps):
    stream = samples(at_rate(fps), BUMP)
    stuttering = [s for k, s in enumerate(stream) for _ in range(repeats[k % len(repeats)])]
    assert spot(Spotter(), stuttering) == spot(Spotter(), stream)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fps=st.sampled_from([25, 30, 60, 200]),
    lost=st.floats(0, 0.3),
    blind_share=st.floats(0, 0.02),
    jitter=st.floats(0, 0.9),
)
def test_bad_streams_never_alarm_more_often_than_something_moves(seed, fps, lost, blind_share, jitter):
    """Frames lost, doubled and late, times that step back a little, a face that comes and goes."""
    rng = np.random.default_rng(seed)
    bumps = [BUMP, Bump(4.0, 4.1, 4.25), Bump(6.0, 6.2, 6.4)]
    stream = []
    for sample in samples(at_rate(fps, 8.0), lambda t: sum(b(t) for b in bumps), noise=0.01, seed=seed):
        if rng.random() < lost:
            continue
        late = replace(sample, time=sample.time + jitter * float(rng.uniform(-1, 1)) / fps)
        stream.append(blind(late) if rng.random() < blind_share else late)
    spotter = Spotter()
    found = spot(spotter, stream)
    assert len(found) <= len(bumps)
    assert len(found) + len(spotter.rejections) <= 2 * len(bumps)
    for candidate in found:
        assert candidate.onset < candidate.apex < candidate.offset
        assert candidate.apex <= candidate.decided


def test_a_clock_that_starts_again_is_a_new_recording():
    spotter = Spotter()
    stream = samples(at_rate(60), BUMP)
    first = spot(spotter, stream)
    assert spot(spotter, stream) == first
    assert len(first) == 1


# --- nothing from nothing


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fps=st.sampled_from([30, 60, 200]), noise=st.floats(0, 0.03))
def test_noise_is_nothing(seed, fps, noise):
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(fps), noise=noise, seed=seed)) == []
    assert spotter.rejections == []


@pytest.mark.parametrize("level", [0.1, 0.3, 1.0])
def test_the_threshold_rises_with_the_usual_level(level):
    """On a grainy picture the signal never rests at 0: what counts is how far it rises above its level."""

    def grainy(sample):
        signal = sample.signal - 0.05 + level
        return replace(sample, signal=signal, floor=level)

    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), noise=0.1 * level, change=grainy)) == []
    assert spotter.threshold == pytest.approx(max(RULED.min_motion, 2.3 * level))
    strong = Bump(2.0, 2.15, 2.32, height=6 * level)
    lenient = Spotter(SpotterConfig(max_motion=10))
    found = only(spot(lenient, samples(at_rate(60), strong, change=grainy)))
    assert found.apex == pytest.approx(2.15, abs=0.02)


def test_what_stays_under_the_threshold_is_no_movement():
    spotter = Spotter()
    assert spot(spotter, samples(at_rate(60), replace(BUMP, height=0.15))) == []
    assert spotter.rejections == []
    assert spot(Spotter(), samples(at_rate(60), replace(BUMP, height=0.3)))
