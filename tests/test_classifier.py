"""The classifier of movements: its evidence, its blindness to sides and to the future, its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from motion_curves import Agreeing, Bump, Told, at_rate, blind, samples, spot
from user_errors import raises

from spotting import CandidateClassifier, Spotter, SpotterConfig
from spotting.classifier import CHANNELS, COURSE_S, FACTS, KINDS, Prediction, evidence
from spotting.face.places import SIDES, mirrored_sides
from spotting.memory import Memory
from training.spotting.classifier.fit import FitConfig, Scale, export, fit, mirrored, of_other_faces
from training.spotting.classifier.snapshots import Snapshots, named

BUMP = Bump(2.0, 2.15, 2.32)
SMALL = FitConfig(members=2, epochs=6, batch=64)


def moved(fps, bump=BUMP, seed=0, seconds=4.0):
    """A smile: every place has its own share of the movement, with its own direction."""
    ways = np.random.default_rng(seed).normal(size=2 * len(SIDES))
    made = samples(at_rate(fps, seconds), bump)
    return [replace(s, places=tuple((ways * bump(s.time)).tolist())) for s in made]


def one(spotter, stream):
    found = spot(spotter, stream)
    assert len(found) == 1, found
    return found[0]


def remembered(stream, until):
    memory = Memory()
    for sample in stream:
        if sample.time <= until:
            memory.add(sample)
    return memory


REST = np.zeros((len(SIDES), 2))


# --- what it is shown


def test_what_comes_after_the_decision_is_not_looked_at():
    stream = moved(60)
    shown = []

    def classifier(movement, memory, rest):
        shown.append((movement, evidence(movement, memory, rest), rest))
        return Prediction(0.7, "noise", movement.onset, movement.apex, movement.offset)

    spot(Spotter(classifier=classifier, detector=Agreeing()), stream)
    for movement, seen, rest in shown:
        again = evidence(movement, remembered(stream, movement.decided), rest)
        for there, here in zip(vars(seen).values(), vars(again).values(), strict=True):
            np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize("fps", [30, 100, 200])
def test_the_same_movement_looks_the_same_at_every_rate(fps):
    movement = one(Spotter(classifier=Told(), detector=Agreeing()), moved(1000))
    reference = evidence(movement, remembered(moved(1000), movement.decided), REST)
    seen = evidence(movement, remembered(moved(fps), movement.decided), REST)
    assert seen.course.shape == (len(COURSE_S), CHANNELS)
    assert seen.facts.shape == (FACTS,)
    until = movement.apex + COURSE_S <= movement.decided - 1 / fps - 0.02  # later the mean lags by a frame
    skin = 2 * len(SIDES)
    apart = np.abs(seen.course - reference.course)[until][:, :skin]
    assert apart.max() < 0.3
    assert apart.mean() < 0.02


def test_mirroring_twice_changes_nothing_and_once_swaps_sides():
    course = torch.randn(3, len(COURSE_S), CHANNELS)
    assert torch.equal(mirrored(mirrored(course)), course)
    order, sign = mirrored_sides()
    left, right = (k for k, side in enumerate(SIDES) if side[0] == "lip corners")
    assert (order[2 * left], sign[2 * left]) == (2 * right, -1)
    assert (order[2 * left + 1], sign[2 * left + 1]) == (2 * right + 1, 1)


def test_the_delivered_classifier_says_the_same_of_a_face_and_its_mirror_image():
    stream = [replace(s, eyes_x=10 * s.time, roll=0.1 * s.time) for s in moved(60)]
    order, sign = mirrored_sides()
    other = [
        replace(s, places=tuple((np.array(s.places)[order] * sign).tolist()), eyes_x=-s.eyes_x, roll=-s.roll)
        for s in stream
    ]
    movement = one(Spotter(classifier=Told(), detector=Agreeing()), stream)
    here, there = (
        CandidateClassifier()(movement, remembered(one, movement.decided), REST) for one in (stream, other)
    )
    assert here.probability == pytest.approx(there.probability, abs=1e-5)
    assert here.onset == pytest.approx(there.onset, abs=1e-5)


# --- how the spotter asks it


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_a_likely_movement_counts_with_the_times_that_the_classifier_gives(fps):
    class Sure(Told):
        def __call__(self, movement, memory, rest):
            told = super().__call__(movement, memory, rest)
            times = movement.apex - 0.1, movement.apex + 0.005, movement.apex + 0.12
            return Prediction(told.probability, told.reason, *times)

    plain = one(Spotter(classifier=Told(0.7), detector=Agreeing()), moved(fps))
    found = one(Spotter(classifier=Sure(0.7), detector=Agreeing()), moved(fps))
    assert found.decided == plain.decided
    assert found.onset == pytest.approx(plain.apex - 0.1)
    assert found.apex == pytest.approx(plain.apex + 0.005)
    times = at_rate(fps)
    assert times[found.onset_frame] == pytest.approx(found.onset, abs=1 / fps)
    assert times[found.offset_frame] == pytest.approx(found.offset, abs=1 / fps)
    assert found.onset_frame < found.apex_frame <= found.offset_frame


def test_an_unlikely_one_is_rejected_for_what_it_looks_like():
    spotter = Spotter(classifier=Told(0.3, "blink"), detector=Agreeing())
    assert spot(spotter, moved(60)) == []
    assert [rejection.reason for rejection in spotter.rejections] == ["blink"]


def test_every_movement_keeps_the_probability_that_decided_it():
    assert one(Spotter(classifier=Told(0.7), detector=Agreeing()), moved(60)).probability == 0.7
    assert one(Spotter(classifier=Told(0.95), detector=Agreeing()), moved(60)).probability == 0.95
    rejecting = Spotter(classifier=Told(0.3), detector=Agreeing())
    spot(rejecting, moved(60))
    assert [rejection.movement.probability for rejection in rejecting.rejections] == [0.3]


def test_a_sure_one_is_decided_before_it_is_over():
    late = one(Spotter(classifier=Told(0.7), detector=Agreeing()), moved(100)).decided
    early = one(Spotter(classifier=Told(0.99), detector=Agreeing()), moved(100)).decided
    assert BUMP.apex < early < late


def test_more_frames_do_not_mean_more_questions():
    slow, fast = Told(0.7), Told(0.7)
    spot(Spotter(classifier=slow, detector=Agreeing()), moved(60))
    spot(Spotter(classifier=fast, detector=Agreeing()), moved(1000))
    assert len(slow.asked) <= len(fast.asked) <= 8
    assert min(np.diff(fast.asked[:-1])) > 0.014  # the last question is that of the end


@pytest.mark.parametrize("apart", [0.035, 0.05])
def test_onset_and_apex_are_two_frames_and_keep_the_judges_times(apart):
    def classifier(movement, memory, rest):
        return Prediction(0.7, "speech", movement.apex - apart, movement.apex, movement.apex + 0.1)

    times = [25 + k / 30 for k in range(120)]
    for k in range(60):
        onset = 27 + k / 600
        found = one(
            Spotter(classifier=classifier, detector=Agreeing()),
            samples(times, Bump(onset, onset + 0.06, onset + 0.14)),
        )
        assert found.apex - found.onset == pytest.approx(apart)
        assert found.onset_frame < found.apex_frame
        assert abs(times[found.apex_frame] - found.apex) < 0.5001 / 30


@pytest.mark.parametrize("times", [(-0.1, 0.3, 0.2), (0.2, 0.0, -0.2), (-0.1, 0.0, -0.05), (-9.0, -8.0, 9.0)])
def test_whatever_times_it_says_come_in_order_and_the_apex_has_been_seen(times):
    def classifier(movement, memory, rest):
        return Prediction(0.7, "speech", *(movement.apex + time for time in times))

    spotter = Spotter(SpotterConfig(max_duration_ms=2_000), classifier, Agreeing())
    found = one(spotter, moved(60))
    assert found.onset < found.apex < found.offset
    assert found.apex <= found.decided
    assert found.onset_frame < found.apex_frame <= found.offset_frame
    assert 1000 * (found.decided - found.onset) <= spotter.look_behind_ms


def test_no_answer_is_no_micro_expression():
    assert spot(Spotter(classifier=Told(float("nan"))), moved(60)) == []


@pytest.mark.parametrize("fps", [30, 200])
def test_it_is_asked_again_after_a_lost_face_and_a_gap(fps):
    stream = moved(fps, lambda time: BUMP(time) + BUMP(time - 2) + BUMP(time - 4), seconds=8.0)
    lost = [blind(s) if 2.4 < s.time < 2.6 else s for s in stream]
    gapped = [s for s in lost if not 4.45 < s.time < 4.75]
    assert len(spot(Spotter(classifier=CandidateClassifier(), detector=Agreeing()), gapped)) <= 3
    found = spot(Spotter(classifier=Told(0.7), detector=Agreeing()), gapped)
    assert [round(event.apex) for event in found] == [2, 4, 6]


# --- how it is trained


def made_up(count=400, seed=0):
    """Movements of which each kind shows in another channel."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(len(KINDS), size=count)
    course = rng.normal(size=(count, len(COURSE_S), CHANNELS)).astype(np.float32)
    course[np.arange(count), :, -1 - kind % 5] += 3
    facts = rng.normal(size=(count, FACTS)).astype(np.float32)
    facts[:, 0] += 4 * (kind > 4)
    times = np.tile(np.float32((-0.1, 0.0, 0.15)), (count, 1)) * (kind == 0)[:, None]
    return Snapshots(course, facts, kind, times.astype(np.float32))


def test_it_learns_and_the_file_says_what_torch_says(tmp_path):
    panel = fit(made_up(2000), SMALL, lambda done, total: None)
    new = made_up(100, seed=1)
    with torch.no_grad():
        chances, times = (
            out.numpy() for out in panel(torch.from_numpy(new.course), torch.from_numpy(new.facts))
        )
    assert (chances.argmax(axis=1) == new.kind).mean() > 0.9
    assert np.abs(times[new.kind == 0] - (-0.1, 0.0, 0.15)).mean() < 0.03
    export(panel, {"seed": "0"}, tmp_path / "classifier.onnx")
    classifier = CandidateClassifier(tmp_path / "classifier.onnx")
    again = classifier._session.run(None, {"course": new.course, "facts": new.facts})
    np.testing.assert_allclose(again[0], chances, atol=1e-5)
    np.testing.assert_allclose(again[1], times, atol=1e-5)


def test_times_are_learnt_again_without_touching_the_probabilities():
    data = made_up(2000)
    before, after = (fit(data, replace(SMALL, times_epochs=n), lambda *_: None) for n in (0, 20))
    course, facts = torch.from_numpy(data.course), torch.from_numpy(data.facts)
    with torch.no_grad():
        (chances, vague), (same, exact) = before(course, facts), after(course, facts)
    assert torch.equal(chances, same)
    micro, true = data.kind == 0, torch.from_numpy(data.times)
    off = [float((times - true)[micro].abs().mean()) for times in (vague, exact)]
    assert off[1] < off[0]


def of_faces(**varied):
    """Standardised courses in which every place goes from 0 to (3, 4), and the same as if of other faces."""
    config = replace(SMALL, **{"gain": 0.0, "turn": 0.0, "lost": 0.0, "drift": 0.0, **varied})
    way = torch.linspace(0, 1, len(COURSE_S))[:, None] * torch.tensor([3.0, 4.0]).repeat(len(SIDES))
    scale, skin = Scale(), 2 * len(SIDES)
    scale.course_mean[:skin], scale.course_scale[:skin] = 0.5, 2.0
    torch.manual_seed(0)
    there = of_other_faces(((way - 0.5) / 2).repeat(64, 1, 1), scale, config)
    return way, (2 * there + 0.5).numpy().reshape(64, len(COURSE_S), -1, 2)


def test_another_face_moves_each_place_further_and_another_way_at_the_same_time():
    way, same = of_faces()
    np.testing.assert_allclose(same, way.reshape(1, len(COURSE_S), -1, 2).expand(64, -1, -1, -1), atol=1e-5)
    other = of_faces(gain=0.5, turn=0.3)[1]
    far = np.linalg.norm(other, axis=3)
    np.testing.assert_allclose(far, far[:, -1:] * np.linspace(0, 1, len(COURSE_S))[:, None], atol=1e-4)
    assert np.log(far[:, -1] / 5).std() == pytest.approx(0.5, abs=0.05)
    turned = np.arctan2(other[:, -1, :, 1], other[:, -1, :, 0]) - np.arctan2(4, 3)
    assert turned.std() == pytest.approx(0.3, abs=0.03)


def test_a_lost_place_stays_where_it_is():
    far = np.linalg.norm(of_faces(lost=0.25)[1], axis=3)
    still = (far < 1e-5).all(axis=1)
    assert still.mean() == pytest.approx(0.25, abs=0.05)
    assert far[:, -1][~still] == pytest.approx(5.0, abs=1e-4)


def test_the_same_seed_gives_the_same_weights():
    short = replace(SMALL, epochs=1)
    first, second = (fit(made_up(), short, lambda done, total: None).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fit(made_up(), replace(short, seed=1), lambda done, total: None).state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_progress_ends_at_all():
    calls = []
    fit(made_up(), replace(SMALL, epochs=1), lambda *call: calls.append(call))
    assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
    assert calls[-1] == (len(calls), len(calls))


def test_too_little_to_learn_from_is_one_line():
    with raises("too-little", "20 "):
        fit(made_up(20), SMALL, lambda done, total: None)


@pytest.mark.parametrize("content", [b"", b"no network"])
def test_a_file_that_is_no_classifier_is_one_line(tmp_path, content):
    path = tmp_path / "classifier.onnx"
    path.write_bytes(content)
    with raises("unreadable", path):
        CandidateClassifier(path)


def test_the_recognizers_weights_are_no_classifier():
    from recognizer.network.backend import DEFAULT_WEIGHTS

    with raises("unreadable", DEFAULT_WEIGHTS):
        CandidateClassifier(DEFAULT_WEIGHTS)
    none = DEFAULT_WEIGHTS.with_name("none.onnx")
    with raises("not-found", none):
        CandidateClassifier(none)


def test_names_of_movements_are_those_of_the_ground_truth():
    from training.datasets.long_video import LongVideo, Movement

    truth = (
        Movement("micro", 2.0, 2.15, 2.32, "positive"),
        Movement("blink", 3.0, 3.1, 3.3, None),
        Movement("gesture", 4.0, 4.5, 5.0, None),
        Movement("gaze", 4.5, 4.52, 4.54, None),
        Movement("gaze", 7.0, 7.02, 7.04, None),
        Movement("macro", 8.0, 9.0, 12.0, None),
        Movement("blink", 10.0, 10.1, 10.3, None),
    )
    base = one(Spotter(classifier=Told(), detector=Agreeing()), moved(60))

    def name(onset, apex, offset):
        movement = replace(base, onset=onset, apex=apex, offset=offset)
        return named(LongVideo("clip", truth, 60.0), movement)[0]

    assert name(2.0, 2.14, 2.3) == "micro-expression"
    assert name(1.8, 2.1, 2.3) == "micro-expression"
    assert name(2.22, 2.3, 2.4) == "fragment"
    assert name(2.25, 2.36, 2.45) == "fragment"
    assert name(3.2, 3.35, 3.4) == "blink"
    assert name(4.4, 4.5, 4.6) == "head motion"
    assert name(6, 6.1, 6.2) == "noise"
    assert name(7.0, 7.05, 7.1) == "gaze"
    assert name(8.1, 8.9, 9.5) == "macro"
    assert name(10.0, 10.1, 10.3) == "blink"
