"""The lifelike clips: what happens in them is as the datasets' codings say, and repeatable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from user_errors import raises

from recognizer.landmarks import Landmarker
from training.rendering.clip import STEEPEST, steepness, truth
from training.rendering.head_depth import relief
from training.rendering.head_motion import FACE_WIDTH, SWAY_S, HeadShape, HeadSway
from training.rendering.portrait import load_portrait
from training.rendering.script import NARROW, Action
from training.rendering.varied_portrait import varied
from training.spotting.rendered import lifelike as spot_lifelike
from training.spotting.rendered import movements as spot_movements
from training.spotting.rendered.benchmark import STORIES, quality, write_benchmark
from training.spotting.rendered.timeline import SIZE, Plan
from training.synthesis.motion_model import Activation, displacement, face_width

TIMELINES = range(4)


@pytest.fixture(scope="module")
def person():
    return load_portrait(None, SIZE)


@pytest.fixture(scope="module")
def stories(person):
    return [spot_lifelike.script(clip(timeline), person) for timeline in TIMELINES]


@pytest.fixture(scope="module")
def micros(person):
    rng = np.random.default_rng(5)
    return [spot_movements.micro(2.0, person, rng) for _ in range(160)]


def clip(timeline=0, fps=30.0, seed=1):
    return Plan("clip", None, timeline, fps, 0.0, 1.0, seed, "lifelike")


def test_durations_and_rises_are_those_of_the_codings(micros):
    lengths = np.percentile([1000 * (m.offset - m.onset) for m in micros], [5, 25, 50, 75, 95])
    # CASME II, SAMM, DFME and CAS(ME)², from lowest to highest of them, and what sampling leaves open.
    for found, low, high in zip(lengths, (175, 250, 305, 425, 495), (267, 400, 433, 477, 520), strict=True):
        assert low - 20 <= found <= high + 20
    rises = np.percentile([1000 * (m.apex - m.onset) for m in micros], [5, 50, 95])
    assert 60 <= rises[0] <= 130
    assert 140 <= rises[1] <= 210
    assert 250 <= rises[2] <= 340
    long = [m for m in micros if m.offset - m.onset > 0.5 + 1e-9]
    assert 0.01 < len(long) / len(micros) < 0.08
    assert all(m.apex - m.onset <= 0.26 for m in long)


def test_peaks_returns_and_sides_vary_as_they_do(micros, person):
    peaks = [np.linalg.norm(field(person, m.activations), axis=2).max() for m in micros[:40]]
    assert 0.5 < np.median(peaks) < 3
    assert 0.3 <= sum(m.rest > 0 for m in micros) / len(micros) <= 0.5
    smiles = [m for m in micros if any(a.unit == 12 for a in m.activations)]
    alone = [min(a.left, a.right) < 0.4 * max(a.left, a.right) for m in smiles for a in m.activations]
    assert 0.25 < np.mean(alone) < 0.6


def field(person, activations):
    return displacement(person.landmarks, activations, SIZE[::-1])


def test_no_skin_folds_and_every_rate_shows_the_same_events(stories, person):
    story = stories[0]
    assert all(steepness(field(person, action.activations)) <= STEEPEST for action in story.actions)
    fast = spot_lifelike.script(clip(fps=200.0), person)
    assert (story.actions, story.blinks, story.glances) == (fast.actions, fast.blinks, fast.glances)
    assert stories[1].actions != story.actions
    for one in stories:
        for before, after in pairwise(one.glances):
            assert after.time - before.time >= 0.1


def test_blinks_come_during_micro_expressions_as_well(stories):
    blinking = [
        any(b.start < micro.offset and micro.onset < b.end for b in story.blinks if b.depth > NARROW)
        for story in stories
        for micro in story.actions
        if micro.kind == "micro"
    ]
    assert 0.05 < np.mean(blinking) < 0.45


def test_narrowed_eyes_are_no_blink_in_the_ground_truth(stories, person):
    narrow = [blink for story in stories for blink in story.blinks if blink.depth <= NARROW]
    assert narrow
    records = truth(person, stories[0])
    lids = {round(blink.start, 6) for blink in stories[0].blinks if blink.depth > NARROW}
    assert {r["onset"] for r in records if r["kind"] == "blink" and r["units"] == [45]} == lids


def test_a_face_need_not_return():
    smile = (Activation(12, 0.01, 0.01),)
    action = Action("positive", smile, 1.0, 1.2, 1.4, rest=0.5, stays=0.3, fades=1.0)
    at = [action.strength(t) for t in (1.0, 1.2, 1.4, 1.6, 1.7, 2.2, 2.7, 5.0)]
    assert at == pytest.approx([0, 1, 0.5, 0.5, 0.5, 0.25, 0, 0])
    for wrong in ({"rest": 1.0}, {"rest": -0.1}, {"stays": -1.0}, {"fades": 0.0}):
        with pytest.raises(ValueError, match="rest"):
            Action("positive", smile, 1.0, 1.2, 1.4, **wrong)


def test_frames_are_compressed_as_webcams_and_recorders_do():
    seen = {quality(seed, timeline, "lifelike") for seed in (1, 2) for timeline in range(40)}
    assert seen == {None, 16, 20, 24}
    assert {quality(1, timeline, "first") for timeline in range(40)} == {16, 20, 24}


def test_an_unknown_story_is_one_line(tmp_path: Path):
    with raises("invalid", "'third'", ", ".join(STORIES)):
        list(write_benchmark(tmp_path / "b", 0.5, 1, [None], 1, story="third"))


def test_a_head_sways_as_far_as_it_is_told_at_every_moment_smoothly():
    sway = HeadSway(3.0, 0.5, seed=4)
    times = np.arange(0, 600, 0.05)
    poses = np.array([sway.pose(time) for time in times])
    later = np.array([sway.pose(time + SWAY_S) for time in times])
    across = np.sqrt(np.mean((later - poses)[:, 0] ** 2))
    assert 1.5 < across < 6.0
    assert np.array_equal(sway.pose(7.3), sway.pose(7.3))
    assert not np.array_equal(sway.pose(7.3), HeadSway(3.0, 0.5, seed=5).pose(7.3))
    # Twice as far in twice as lively a person; no jumps.
    assert HeadSway(6.0, 0.5, seed=4).pose(7.3) == pytest.approx(2 * sway.pose(7.3))
    assert np.abs(np.diff(poses[:, 0])).max() < 8 * across


def test_what_is_near_the_camera_moves_further_when_the_head_turns(person):
    flat, nosy = HeadShape(0.0, 0.0), HeadShape(0.15, 1.5)
    grid = np.dstack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))).astype(np.float32)
    unit = face_width(person.landmarks)
    (x, y), (side, height) = person.landmarks[30].astype(int), person.landmarks[1].astype(int)
    assert np.abs(relief(person.landmarks, grid, flat, 0)).max() < 1e-3
    depth = relief(person.landmarks, grid, nosy, 0)[..., 0] / unit
    assert depth[y, x] - depth[height, side] > 0.3
    uneven = relief(person.landmarks, grid, HeadShape(0.15, 1.5, 0.05), 0)[..., 0] / unit
    assert 0.03 < (uneven - depth).std() < 0.07


def test_most_heads_sway_and_some_are_still(person):
    sways = [spot_lifelike.script(clip(k), person).sway for k in range(40)]
    assert 5 <= sum(sway is None for sway in sways) <= 20
    ways = [sway.way for sway in sways if sway]
    assert 0.2 < min(ways) < 1 < max(ways) < 6
    assert max(ways) < FACE_WIDTH / 20


def test_a_varied_portrait_is_another_face_whose_landmarks_fit(person):
    landmarker = Landmarker(tracking=False)
    try:
        for seed in range(4):
            face = varied(person, np.random.default_rng(seed))
            assert face.image.shape == person.image.shape
            assert not np.array_equal(face.image, person.image)
            apart = np.linalg.norm(landmarker.detect(face.image) - face.landmarks, axis=1)
            assert np.median(apart) < 0.03 * face_width(face.landmarks)
    finally:
        landmarker.close()
