"""The motion signal on images whose motion is known: the face's own is seen, the head's is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from user_errors import raises

from recognizer.landmarks import eye_opening
from spotting import MotionMeter, Spotter
from spotting.face.places import REGIONS, SIDES
from spotting.face.pose import alignment
from training.rendering.clip import render
from training.rendering.head_motion import HeadGesture, HeadPose, HeadShape
from training.rendering.script import GLANCE_S, ClipScript, Glance

FPS = 60
BROWS = ("inner brows", "outer brows")
MOUTH = ("lip corners", "cheeks", "upper lip", "lower lip", "chin")


@pytest.fixture
def meter():
    made = MotionMeter()
    yield made
    made.close()


def watch(meter, pictures, start=0):
    return [meter.measure(index, index / FPS, picture) for index, picture in enumerate(pictures, start=start)]


def headed(portrait, count, pose):
    """The portrait with its head moved: ``pose(seconds)`` is (right, down) in pixels and roll in degrees."""
    centre = tuple(float(c) for c in portrait.landmarks.mean(axis=0))
    for index in range(count):
        dx, dy, degrees = pose(index / FPS)
        matrix = cv2.getRotationMatrix2D(centre, degrees, 1.0)
        matrix[:, 2] += (dx, dy)
        yield cv2.warpAffine(
            portrait.image, matrix, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )


@pytest.mark.parametrize(
    ("units", "most", "silent"),
    [
        ([12], "lip corners", BROWS),
        ([15], "lip corners", BROWS),
        ([4], "inner brows", MOUTH),
        ([1, 2], "outer brows", MOUTH),
        ([25], "lower lip", BROWS),
        ([7], "under eyes", ("upper lip", "lower lip", "chin")),
    ],
)
def test_two_pixels_of_an_action_unit_are_seen_where_they_are(meter, portrait, moved, units, most, silent):
    pictures = [portrait.image] * 40 + [moved(*((unit, 0.0085, 0.0085) for unit in units))] * 3
    sample = watch(meter, pictures)[-1]
    assert sample.regions[most] > 0.5
    assert sample.signal == max(sample.regions.values())
    assert sample.signal == sample.regions[sample.region]
    assert sample.regions[most] > 0.6 * sample.signal
    assert set(sample.regions) == set(REGIONS)
    assert max(sample.regions[name] for name in silent) < 0.35 * sample.signal


@pytest.mark.parametrize("way", [(3.0, 0.0), (-3.0, 0.0), (2.0, 1.0)])
def test_eyes_that_look_elsewhere_hardly_move_the_skin(meter, portrait, way):
    """The irises go aside by 3 px of a 256-px face, some 7 degrees, under lids that stay."""
    story = ClipScript(43 / FPS, FPS, glances=(Glance(39.5 / FPS - GLANCE_S, *way),))
    assert story.gaze(40 / FPS) == way
    sample = watch(meter, [picture for _, picture in render(portrait, story)])[-1]
    assert sample.regions["under eyes"] < 0.2
    assert max(sample.regions[name] for name in BROWS) < 0.1


def test_one_side_is_enough(meter, portrait, moved):
    pictures = [portrait.image] * 40 + [moved((12, 0.0085, 0.0))] * 3
    sample = watch(meter, pictures)[-1]
    assert sample.region == "lip corners"
    assert sample.signal > 0.6


@pytest.mark.parametrize(
    "pose",
    [
        lambda t: (6 * np.sin(2 * np.pi * t), 3 * np.sin(4 * np.pi * t), 0),
        lambda t: (0, 0, 3 * np.sin(2 * np.pi * t)),
        lambda t: (30 * t, 0, 0),
    ],
    ids=["shift", "roll", "drift"],
)
def test_the_heads_own_motion_is_taken_off(meter, portrait, pose):
    samples = watch(meter, headed(portrait, 75, pose))
    # What the head does to a lip corner is many pixels; a tenth of a 2-px action unit may remain.
    assert max(sample.signal for sample in samples if sample.time > 0.3) < 0.23
    assert max(sample.head for sample in samples) > 2.5


def noisy(pictures, seed=0):
    rng = np.random.default_rng(seed)
    for picture in pictures:
        yield np.clip(picture + rng.normal(0, 1.7, picture.shape), 0, 255).astype(np.uint8)


def test_a_rolling_head_is_told_and_raises_no_candidate(meter, portrait):
    """3 degrees either way once a second, with a camera's noise."""
    pictures = noisy(headed(portrait, 180, lambda t: (0, 0, 3 * np.sin(2 * np.pi * t))))
    samples = watch(meter, pictures)
    spotter = Spotter()
    assert [found for sample in samples for found in spotter.push(sample)] == []
    assert max(sample.head for sample in samples) > 4
    roll = [sample.roll for sample in samples]
    assert max(roll) - min(roll) == pytest.approx(np.radians(6), rel=0.1)


def test_half_a_pixel_stands_out_of_the_noise(meter, portrait, moved):
    """0.8 px of a 256-px face, on a face 240 px wide."""
    smile = moved((12, 0.8 / 256, 0.8 / 256))
    samples = watch(meter, noisy([portrait.image] * 60 + [smile] * 4))
    quiet = [sample.signal for sample in samples[30:60]]
    assert min(sample.signal for sample in samples[61:]) > 2 * max(quiet)
    assert {sample.region for sample in samples[61:]} == {"lip corners"}


@pytest.mark.parametrize("fps", [25, 60, 200])
def test_the_signal_does_not_depend_on_the_frame_rate(meter, portrait, moved, fps):
    smile = moved((12, 2 / 256, 2 / 256))
    pictures = noisy([portrait.image] * fps + [smile] * (fps // 10))
    samples = [meter.measure(index, index / fps, picture) for index, picture in enumerate(pictures)]
    assert samples[-1].signal == pytest.approx(1.75, abs=0.35)
    assert 0.01 < samples[fps - 1].floor < 0.08
    assert not any(sample.rebased for sample in samples)


def test_places_go_on_where_the_neutral_face_is_replaced(meter, portrait, moved):
    """A smile that is held becomes the neutral face: the signal begins again, the places do not."""
    smile = moved((12, 2 / 256, 2 / 256))
    samples = watch(meter, noisy([portrait.image] * 60 + [smile] * 60 + [portrait.image] * 20))
    assert any(sample.rebased for sample in samples[60:120])
    places = np.array([sample.places for sample in samples]).reshape(len(samples), -1, 2)
    corners = [k for k, side in enumerate(SIDES) if side[0] == "lip corners"]
    rest, held, late, back = (places[k : k + 5, corners].mean(axis=0) for k in (50, 64, 112, 132))
    assert np.linalg.norm(held - rest, axis=1).min() > 0.8
    assert np.abs(late - held).max() < 0.15
    assert np.abs(back - rest).max() < 0.25


def test_a_turned_head_does_not_shake(meter, portrait):
    """Landmarks of a turned head are beside the face that is tracked: they must not pull at it."""
    turn = HeadGesture(0.4, 4.4, HeadPose(0, 0, 0, 0, yaw=-0.3))
    story = ClipScript(2.6, 25.0, gestures=(turn,), shape=HeadShape())
    pictures = [picture for _, picture in render(portrait, story)]
    samples = [meter.measure(index, index / 25, picture) for index, picture in enumerate(pictures)]
    places = np.array([sample.places for sample in samples[20:]])
    shaken = np.abs(places[:-2] - 2 * places[1:-1] + places[2:]).max(axis=1) / 4
    assert np.quantile(shaken, 0.9) < 0.2


def test_landmarks_that_wander_off_take_the_pose_along_but_not_the_places(meter, portrait):
    """The picture stays the same, so nothing moves; a pose that landmarks have left is given up."""
    there = meter.detect(0.0, portrait.image)
    first = meter.measure(0, 0.0, portrait.image, there)
    samples = []
    for step in range(1, 61):
        landmarks = np.add(there.landmarks, (0.5 * step, 0))
        samples.append(meter.measure(step, step / 20, portrait.image, replace(there, landmarks=landmarks)))
    assert samples[-1].eyes_x - first.eyes_x == pytest.approx(30, abs=15)
    assert np.abs([sample.places for sample in samples]).max() < 0.2
    assert 1 <= sum(sample.rebased for sample in samples) <= 4
    assert max(sample.head for sample in samples) < 1


def test_reset_forgets_how_far_landmarks_were_beside_the_face(meter, portrait):
    there = meter.detect(0.0, portrait.image)
    for step in range(20):
        away = replace(there, landmarks=np.add(there.landmarks, (0.4 * step, 0)))
        meter.measure(step, step / 20, portrait.image, away)
    meter.reset()
    other = MotionMeter()
    for step, fresh in enumerate((False, True, False, True), start=30):
        seen = replace(there, fresh=fresh)
        again = meter.measure(step, step / 20, portrait.image, seen)
        assert again == other.measure(step, step / 20, portrait.image, seen)
    other.close()


def test_landmarks_are_found_as_often_as_time_asks_for(meter, portrait):
    seen = [meter.detect(index / 200, portrait.image) for index in range(20)]
    assert [sighting.fresh for sighting in seen] == [index % 10 == 0 for index in range(20)]
    slow = [meter.detect(1 + index / 30, portrait.image) for index in range(5)]
    assert [sighting.fresh for sighting in slow] == [True, False, True, False, True]
    slower = [meter.detect(2 + index / 15, portrait.image) for index in range(5)]
    assert all(sighting.fresh for sighting in slower)


def test_the_work_can_be_shared(meter, portrait):
    """What one thread sees and another measures is what one alone would have."""
    pictures = list(headed(portrait, 30, lambda t: (9 * t, 0, 2 * t)))
    alone = watch(meter, pictures)
    other = MotionMeter()
    seen = [other.detect(index / FPS, picture) for index, picture in enumerate(pictures)]
    shared = [other.measure(k, k / FPS, *work) for k, work in enumerate(zip(pictures, seen, strict=True))]
    other.close()
    assert shared == alone


def beside(portrait, shrunk):
    """The portrait, and left of it the same face smaller."""
    small = cv2.resize(portrait.image, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    room = np.full((480, 640 + small.shape[1], 3), 90, np.uint8)
    room[:, small.shape[1] :] = portrait.image
    room[: small.shape[0], : small.shape[1]] = small
    return room


def test_the_nearest_of_two_faces_is_followed(meter, portrait):
    sample = watch(meter, [beside(portrait, 0.6)] * 3)[-1]
    assert sample.faces == 2
    assert 200 < sample.face_px < 280


def test_a_much_nearer_face_takes_over_and_nothing_is_measured_across(meter, portrait):
    both = beside(portrait, 0.6)
    far = both.copy()
    far[:, -640:] = 90
    samples = watch(meter, [far] * 30 + [both] * 70)
    assert samples[25].face_px < 180
    assert samples[-1].face_px > 200
    change = [k for k, sample in enumerate(samples) if not sample.face]
    assert change
    assert max(sample.signal for sample in samples if sample.face) < 0.3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda picture: picture // 16,
        lambda picture: np.clip(picture.astype(int) * 3 + 60, 0, 255).astype(np.uint8),
        lambda picture: np.dstack([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)] * 3),
        np.asfortranarray,
        lambda picture: picture[::8, ::8],
        lambda picture: picture[3:, 5:],
    ],
    ids=["dark", "burnt out", "grey", "another memory layout", "tiny", "odd size"],
)
def test_poor_pictures_are_measured_or_said_to_show_no_face(meter, portrait, spoil):
    picture = spoil(portrait.image)
    for sample in watch(meter, [picture] * 30):
        assert np.isfinite([sample.signal, sample.floor, sample.head, sample.brightness]).all()
        assert sample.signal < 0.3


def test_times_that_stand_still_or_jump_do_no_harm(meter, portrait):
    times = [0, 0, 0, 0.01, 0.01, 0.5, 0.51, 7, 7, 7.01, 7.02]
    samples = [meter.measure(k, time, portrait.image) for k, time in enumerate(times)]
    assert all(sample.face for sample in samples)
    assert max(sample.signal for sample in samples) < 0.2


def test_slow_head_motion_is_no_movement(meter, portrait):
    spotter = Spotter()
    pictures = headed(portrait, 120, lambda t: (4 * np.sin(2 * t), 2 * np.sin(3 * t), np.sin(2.5 * t)))
    assert [found for sample in watch(meter, pictures) for found in spotter.push(sample)] == []


def test_a_still_picture_lies_at_the_floor(meter, portrait):
    samples = watch(meter, [portrait.image] * 40)
    assert samples[0].signal == 0
    for sample in samples[20:]:
        assert sample.signal < 0.1
        assert not sample.rebased
        assert sample.head < 0.3
    last = samples[-1]
    assert last.face
    assert last.eye_opening == pytest.approx(eye_opening(portrait.landmarks), rel=0.1)
    assert 200 < last.face_px < 280
    assert 60 < last.brightness < 200


def test_a_picture_without_face_starts_anew(meter, portrait, moved):
    wall = np.full_like(portrait.image, 100)
    before = watch(meter, [portrait.image] * 30)
    gone = watch(meter, [wall] * 3, start=30)
    smiling = moved((12, 0.0085, 0.0085))
    after = watch(meter, [smiling] * 30, start=33)
    assert before[-1].face
    for sample in gone:
        assert not sample.face
        assert sample.signal == sample.head == sample.face_px == 0
        assert set(sample.regions.values()) == {0.0}
    # Who returns smiling has a new resting face: nothing of the old one is compared.
    assert after[0].signal == 0
    assert max(sample.signal for sample in after[15:]) < 0.15


def test_reset_starts_anew(meter, portrait, moved):
    watch(meter, [portrait.image] * 30)
    meter.reset()
    sample = meter.measure(30, 0.5, moved((12, 0.0085, 0.0085)))
    assert sample.signal == 0
    assert sample.floor == 0


def test_the_same_frames_give_the_same_samples(portrait, moved):
    pictures = [*headed(portrait, 20, lambda t: (9 * t, 0, 2 * t)), moved((4, 0.01, 0.01)), portrait.image]
    runs = []
    for _ in range(2):
        meter = MotionMeter()
        runs.append(watch(meter, pictures))
        meter.close()
    assert runs[0] == runs[1]


def test_the_size_of_the_picture_does_not_matter(portrait, moved):
    signals = []
    for scale in (0.7, 1.4):
        meter = MotionMeter()
        pictures = [
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            for picture in (portrait.image, moved((12, 0.0085, 0.0085)))
        ]
        sample = watch(meter, [pictures[0]] * 30 + [pictures[1]] * 3)[-1]
        meter.close()
        assert sample.region == "lip corners"
        signals.append((sample.signal, sample.face_px / scale))
    assert signals[0] == pytest.approx(signals[1], rel=0.25)
    assert signals[0][1] == pytest.approx(signals[1][1], rel=0.05)


def test_the_alignment_is_a_similarity_that_undoes_the_pose(portrait):
    plain = alignment(portrait.landmarks)
    turn = cv2.getRotationMatrix2D((100, 50), 17, 1.3)
    turned = (portrait.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    there = turned @ alignment(turned)[:, :2].T + alignment(turned)[:, 2]
    here = portrait.landmarks @ plain[:, :2].T + plain[:, 2]
    np.testing.assert_allclose(there, here, atol=0.01)
    linear = plain[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-9)


def test_another_kind_of_picture_is_one_line(meter):
    with raises("invalid", "uint8 (48, 64)"):
        meter.measure(0, 0.0, np.zeros((48, 64), np.uint8))
