"""The apex detector: its rows, its network step by step, its proposals, what it learns from."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_curves import Agreeing, Bump, Told, at_rate, blind, irregular, samples, spot
from user_errors import raises

from recognizer.network.onnx_runtime import onnxruntime
from spotting import Spotter, SpotterConfig
from spotting.apexes.detector import AHEAD, DEFAULT_DETECTOR, TIME_UNIT, ApexDetector, Peaks, Proposal
from spotting.apexes.signal_grid import CHANNELS, PLACE, STEP_S, SignalGrid
from spotting.face.places import SIDES, mirrored_sides
from spotting.memory import Memory
from training.datasets.long_video import Movement
from training.spotting.apexes import views
from training.spotting.apexes.added_motion import added
from training.spotting.apexes.fit import FitConfig, export, export_again, fit, stack
from training.spotting.apexes.foreseen import Foreseen
from training.spotting.apexes.network import OTHERS, Member, Panel
from training.spotting.apexes.steps import all_rows, steps
from training.spotting.apexes.views import LENGTH, in_steps, view

BUMP = Bump(2.0, 2.15, 2.32)


def stream(fps=60.0, seconds=6.0, seed=0, times=None):
    """A face on which everything that is measured changes."""
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=2 * len(SIDES))
    made = samples(times or at_rate(fps, seconds), BUMP)
    return [
        replace(
            one,
            places=tuple((ways * BUMP(one.time) + 0.05 * np.sin(one.time * ways)).tolist()),
            eyes_x=300 + 4 * np.sin(one.time),
            eyes_y=200 + one.time,
            roll=0.02 * np.cos(one.time),
            eye_opening=0.3 - 0.1 * Bump(3.0, 3.1, 3.3, 1.0)(one.time),
            brightness=120 + one.time,
            face_px=240 + 2 * one.time,
        )
        for one in made
    ]


def streamed(made):
    """(seconds, rows) as they come."""
    memory, grid, found = Memory(), SignalGrid(), []
    for sample in made:
        memory.add(sample)
        found += list(grid.update(memory))
    return np.array([time for time, _ in found]), np.array([row for _, row in found])


# --- its rows


@pytest.mark.parametrize("times", [at_rate(30, 8.0), at_rate(200, 8.0), irregular(3, 8.0)])
def test_rows_that_come_one_by_one_are_those_of_the_whole_recording(times):
    made = stream(times=times)
    _, rows = streamed(made)
    whole = all_rows(steps(made))
    assert len(rows) - len(whole) in (0, 1)
    interval = CHANNELS - 1  # known once several frames have come
    np.testing.assert_allclose(rows[: len(whole), :interval], whole[:, :interval], atol=2e-4)
    assert rows[-1, interval] == pytest.approx(whole[-1, interval], abs=0.05)


def test_a_row_is_about_the_same_at_every_frame_rate():
    reference = all_rows(steps(stream(500.0)))
    for fps in (30.0, 60.0, 200.0):
        rows = all_rows(steps(stream(fps)))
        n = min(len(rows), len(reference))
        apart = np.abs(rows - reference[:n])[50:n, PLACE]
        assert apart.mean() < 0.06, fps


def test_rows_do_not_know_what_comes_after_them():
    made = stream(100.0)
    times, rows = streamed(made)
    for cut in (1.0, 2.2, 4.0):
        until, early = streamed([one for one in made if one.time <= cut])
        np.testing.assert_array_equal(until, times[: len(until)])
        np.testing.assert_array_equal(early, rows[: len(early)])


def test_the_mirrored_row_is_that_of_the_mirrored_face():
    order, signs = mirrored_sides()
    made = stream()
    other = [
        replace(s, places=tuple((np.array(s.places)[order] * signs).tolist()), eyes_x=-s.eyes_x, roll=-s.roll)
        for s in made
    ]
    panel = Panel([Member(torch.zeros(CHANNELS), torch.ones(CHANNELS), 4, 0.0)])
    mirrored = all_rows(steps(made))[:, panel.order.numpy()] * panel.signs.numpy()
    np.testing.assert_allclose(mirrored, all_rows(steps(other)), atol=1e-5)


# --- its network


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    plain = torch.zeros(CHANNELS), torch.ones(CHANNELS)
    panel = Panel([Member(*plain, 8, 0.2), Member(0.1 + plain[0], 2 * plain[1], 8, 0.2)]).eval()
    for member in panel.members:
        member.last[-1].bias.data[1:4] = torch.tensor((-3.0, 0.0, 3.0))  # onset, apex and offset in order
        member.last[-1].weight.data[0] *= 20  # peaks that rounding does not move
    path = tmp_path_factory.mktemp("weights") / "apexes.onnx"
    export(panel, {"benchmarks": "abc"}, path)
    return path, panel


def test_a_network_that_is_read_back_is_the_one_that_was_written(weights):
    path, panel = weights
    row = torch.randn(1, CHANNELS, generator=torch.Generator().manual_seed(1))
    for found, expected in zip(
        Panel.read(path)(row, panel.state + 0.1), panel(row, panel.state + 0.1), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_machine_code_says_what_the_exported_network_says(weights):
    """Also of the mirror image, and at every step that it looks back on."""
    for path in (weights[0], DEFAULT_DETECTOR):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        detector = ApexDetector(path)
        shape = [one.shape for one in session.get_inputs() if one.name == "state"]
        state, rng = np.zeros(shape[0], np.float32), np.random.default_rng(0)
        for step in range(120):
            row = (3 * np.sin(step / 7) + rng.normal(0, 2, CHANNELS)).astype(np.float32)
            expected, state = session.run(["said", "after"], {"row": row[None], "state": state})
            np.testing.assert_allclose(detector._panel.step(row), expected, atol=2e-5)


def test_a_file_of_an_earlier_version_is_brought_to_this_form(weights, tmp_path):
    graph = onnx.load(str(weights[0]))
    del graph.graph.output[2]
    old = tmp_path / "old.onnx"
    old.write_bytes(graph.SerializeToString())
    with raises("unreadable", old):
        ApexDetector(old)
    export_again(old)
    assert ApexDetector(old).trained_on == ["abc"]
    for one, other in zip(Panel.read(old).parameters(), weights[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_step_at_a_time_says_what_the_whole_recording_says(weights):
    path, panel = weights
    rows = torch.from_numpy(all_rows(steps(stream())))
    with torch.no_grad():
        expected = panel.whole(rows).numpy()
    detector, memory, heard = ApexDetector(path), Memory(), []
    for sample in stream():
        memory.add(sample)
        detector.update(memory)
        heard += [(t, s) for t, s in detector._peaks.said if not heard or t > heard[-1][0]]
    n = len(expected)
    apart = np.abs(np.array([said for _, said in heard])[:n] - expected)
    assert apart[20:].max() < 5e-3  # before, the frame interval is not known
    assert heard[0][0] == pytest.approx(-AHEAD * STEP_S, abs=1e-6)


def test_in_training_it_proposes_what_it_would_have_proposed_and_when(weights):
    path, panel = weights
    made = stream()
    memory, proposers = Memory(), (ApexDetector(path), Foreseen(panel, made))
    found: tuple[list[Proposal], list[Proposal]] = ([], [])
    for sample in made:
        memory.add(sample)
        for proposer, proposals in zip(proposers, found, strict=True):
            proposals.extend(proposer.update(memory))
    later = [[astuple(one) for one in proposals if one.apex > 1.0] for proposals in found]
    assert len(later[0]) > 5
    np.testing.assert_allclose(later[0], later[1], atol=0.021)  # a random network is flat: a step is allowed


def test_times_are_exact_after_days_of_video():
    for start in (0.0, 300_000.0):
        peaks, found = Peaks(), []
        for step, likely in enumerate((0.1, 0.3, 0.8, 0.3)):
            said = np.array((likely, -1.5, 0.125, 2.0), np.float32)
            found += peaks.add(start + step * STEP_S, said)
        (one,) = found
        at = start + 2 * STEP_S
        expected = [at - 1.5 * TIME_UNIT, at + 0.125 * TIME_UNIT, at + 2 * TIME_UNIT]
        assert [one.onset, one.apex, one.offset] == pytest.approx(expected, abs=1e-6)


def test_a_detector_that_was_reset_is_a_new_one(weights):
    path, _ = weights

    def said(detector):
        memory = Memory()
        for sample in stream(seconds=1.0):
            memory.add(sample)
            detector.update(memory)
        return [one.tolist() for _, one in detector._peaks.said]

    detector = ApexDetector(path)
    first = said(detector)
    detector.reset()
    assert said(detector) == first == said(ApexDetector(path))


def test_weights_say_what_they_were_trained_on_and_others_are_refused(weights, tmp_path):
    path, panel = weights
    assert ApexDetector(path).trained_on == ["abc"]
    assert ApexDetector(path).notes == ()
    with raises("not-found", tmp_path / "none.onnx"):
        ApexDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("text")
    with raises("unreadable", tmp_path / "text.onnx"):
        ApexDetector(tmp_path / "text.onnx")
    export(panel, {"rows": "0"}, tmp_path / "old.onnx")
    with raises("unreadable", tmp_path / "old.onnx"):
        ApexDetector(tmp_path / "old.onnx")


def test_the_delivered_detector_sees_a_smile_and_where_it_is():
    detector, memory, found, expected, proposed = ApexDetector(), Memory(), [], [], 0.0
    for sample in samples(at_rate(60, 3.0), Bump(2.0, 2.2, 2.4, 2.5), noise=0.02):
        memory.add(sample)
        found += detector.update(memory)
        proposed = proposed or (sample.time if found and found[-1].probability > 0.5 else 0.0)
        expected.append((sample.time, detector.expected()))
    best = max(found, key=lambda one: one.probability)
    assert best.apex == pytest.approx(2.2, abs=0.06)
    assert best.onset == pytest.approx(2.0, abs=0.1)
    assert best.offset == pytest.approx(2.4, abs=0.1)
    assert detector.probability(2.2) >= best.probability
    assert detector.probability(1.0) < best.probability / 2
    said = [(time, one) for time, one in expected if one is not None and one.probability > 0.5]
    assert said[0][0] < proposed - STEP_S
    assert said[-1][0] < proposed
    assert said[-1][1].apex == pytest.approx(best.apex, abs=0.02)
    assert said[-1][1].onset == pytest.approx(best.onset, abs=0.02)


# --- how the spotter uses it


def near(bump=BUMP, probability=0.8):
    return Proposal(bump.onset, bump.apex, bump.offset, probability)


class Alone(Agreeing):
    """Proposes, but agrees to nothing that the rule notices."""

    def probability(self, apex):
        return 0.0


MOVED = samples(at_rate(60, 4.0), BUMP)


def test_what_it_proposes_is_an_event_where_the_classifier_agrees():
    (found,) = spot(Spotter(classifier=Told(0.9), detector=Alone(near())), MOVED)
    assert (found.onset, found.apex, found.offset) == (BUMP.onset, BUMP.apex, BUMP.offset)
    assert found.probability == 0.8
    assert found.decided == pytest.approx(BUMP.apex + 0.1, abs=0.02)
    assert spot(Spotter(classifier=Told(0.1), detector=Alone(near())), MOVED) == []
    assert spot(Spotter(classifier=Told(0.9), detector=Alone(near(probability=0.1))), MOVED) == []


def test_what_it_is_about_to_propose_is_expected_until_it_is_reported():
    spotter, expected, decided = Spotter(classifier=Told(0.9), detector=Alone(near())), [], None
    for sample in MOVED:
        decided = decided or next(iter(spotter.push(sample)), None)
        known = [(one.onset, one.apex) for one in spotter.expected()]
        if (BUMP.onset, BUMP.apex) in known:
            expected.append(sample.time)
    assert decided is not None
    assert expected[0] < decided.decided - 0.06
    assert expected[-1] < decided.decided


def test_what_only_the_network_noticed_must_be_more_likely():
    config = SpotterConfig()
    least = config.proposal_probability
    assert least > config.accept_probability
    for probability, count in ((least + 0.01, 1), (least - 0.01, 0)):
        proposing = Alone(near(probability=probability))
        assert len(spot(Spotter(classifier=Told(0.99), detector=proposing), MOVED)) == count


def test_what_it_proposes_must_move_as_far_as_flow_can_measure():
    for least, count in ((1.0, 1), (50.0, 0)):
        config = SpotterConfig(min_motion=least)
        assert len(spot(Spotter(config, Told(0.99), Alone(near())), MOVED)) == count


def test_a_movement_noticed_in_both_ways_is_one_event_and_no_rejection():
    for ahead in (0.06, 0.1, 0.2):
        spotter = Spotter(classifier=Told(0.7), detector=Agreeing(near(), ahead=ahead))
        (found,) = spot(spotter, samples(at_rate(60, 4.0), BUMP))
        assert found.apex == pytest.approx(BUMP.apex, abs=0.03)
        assert spotter.rejections == []


def test_the_rule_waits_for_the_network_and_then_counts_only_with_it():
    class Deaf(Agreeing):
        def probability(self, apex):
            return 0.05

    spotter = Spotter(classifier=Told(0.9, "speech"), detector=Deaf())
    assert spot(spotter, samples(at_rate(60, 4.0), BUMP)) == []
    (rejection,) = spotter.rejections
    assert rejection.reason == "speech"
    assert rejection.movement.probability == 0.05
    assert rejection.movement.decided - rejection.movement.apex > 0.13


def test_a_lost_face_begins_anew():
    resets = []

    class Counting(Agreeing):
        def reset(self):
            super().reset()
            resets.append(True)

    made = samples(at_rate(60, 4.0))
    spotter = Spotter(classifier=Told(), detector=Counting())
    before = len(resets)
    spot(spotter, [blind(one) if 1.0 < one.time < 1.05 else one for one in made])
    assert len(resets) > before


# --- what it learns from


def clip(seed=0, micros=(2.0, 4.0), seconds=8.0):
    made = stream(seconds=seconds, seed=seed)
    movements = [Movement("micro", t, t + 0.15, t + 0.32) for t in micros]
    return in_steps(steps(made), [*movements, Movement("blink", 3.0, 3.1, 3.3)])


def test_a_view_says_at_every_row_what_was_there_some_steps_before():
    likely, times, close, others = views._targets(clip().movements, 400)
    apex = 2.15 / STEP_S
    at = round(apex) + AHEAD
    assert likely[at] > 0.95
    assert likely[at - 20] < 0.01
    assert close[at] == 1
    assert (times[at] * TIME_UNIT + (at - AHEAD) * STEP_S).tolist() == pytest.approx(
        [2.0, 2.15, 2.32], abs=0.03
    )
    assert others[round(3.1 / STEP_S) + AHEAD, OTHERS.index("blink")] == 1
    assert others[at].sum() == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_every_view_is_of_one_length_and_finite(seed):
    drawn = view([clip(0), clip(1, seconds=30.0)], np.random.default_rng(seed))
    assert drawn.rows.shape == (LENGTH, CHANNELS)
    assert np.isfinite(drawn.rows.astype(np.float32)).all()
    assert len(drawn.likely) == len(drawn.times) == len(drawn.near) == len(drawn.known) == LENGTH


def test_a_clip_laid_over_another_adds_its_motion_and_its_movements():
    first, second = clip(0), clip(1, micros=(6.0,))
    both = views._laid_over(first, second)
    assert len(both.movements) == len(first.movements) + len(second.movements)
    apart = both.steps.places - first.steps.places
    np.testing.assert_allclose(apart, second.steps.places[: len(apart)] - second.steps.places[0], atol=1e-9)
    assert (both.steps.eyes <= first.steps.eyes + 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_motion_that_is_added_is_what_its_movements_say(seed):
    more = added(1000, (), np.random.default_rng(seed))
    busy = np.zeros(1000, bool)
    for movement in more.movements:
        busy[max(int(movement.onset) - 1, 0) : int(movement.offset) + 60] = True
    assert not more.places[~busy].any()
    shut = np.zeros(1000, bool)
    for blink in (one for one in more.movements if one.kind == "blink"):
        shut[max(int(blink.onset), 0) : int(blink.offset) + 1] = True
    assert not more.closed[~shut].any()
    assert more.closed.max() < 0.6


def test_eyes_that_narrow_with_a_micro_expression_are_no_blink():
    micros = tuple(Movement("micro", 50.0 * k, 50.0 * k + 8, 50.0 * k + 16) for k in range(1, 9))
    narrow = 0
    for seed in range(20):
        more = added(500, micros, np.random.default_rng((3, seed)))
        blinks = [one for one in more.movements if one.kind == "blink"]
        for micro in micros:
            alone = not any(one.onset < micro.offset and micro.onset < one.offset for one in blinks)
            narrow += alone and more.closed[int(micro.apex)] > 0.04
        assert {one.kind for one in more.movements} <= {"blink", "speech"}
    assert 20 < narrow < 60


def test_it_learns_what_is_shown_to_it():
    rng = np.random.default_rng(0)
    drawn = [view([clip(k, micros=(1.0, 2.0, 3.5, 5.0)) for k in range(3)], rng) for _ in range(40)]
    config = FitConfig(epochs=16, batch=4, width=16, dropout=0.0)
    progress = []
    member = fit(stack(drawn), config, 0, lambda done, total: progress.append((done, total)))
    assert progress[-1] == (160, 160)
    rows = torch.from_numpy(all_rows(clip(0, micros=(2.0,)).steps))
    with torch.no_grad():
        said = member(member.shown(rows)[None])[0, :, 0].sigmoid()
    assert int(said.argmax()) == pytest.approx(2.15 / STEP_S + AHEAD, abs=4)


def test_nothing_to_learn_from_is_said():
    with raises("too-little"):
        stack([])
