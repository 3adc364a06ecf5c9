"""The magnified loop moves k times as far as the face did, and only the face, not the head."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognizer.landmarks import Landmarker
from stream.frame import Frame
from stream.review.loops.loop import SIDE, Loop, cut, make_loop, plain, reference_view
from stream.review.loops.magnify import magnify, packed, warped
from stream.review.loops.motion_field import ENLARGED, GRID, bounded, measure, on_grid, sampled
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation, displacement

FPS, APEX = 30.0, 9
SMILE = ((12, 0.004, 0.004),)
"""Lip corners by a pixel of a 256-px face."""
ACTIONS = [SMILE, ((4, 0.006, 0.006),), ((1, 0.006, 0.006),), ((15, 0.006, 0.006),), ((12, 0.0, 0.012),)]


def clip(portrait, units=SMILE, head_motion: float = 0.0, noise: float = 1.5) -> list[Frame]:
    """0.5 s with a movement from 0.1 s on, at 0.3 s the furthest."""
    action = Action("positive", tuple(Activation(*unit) for unit in units), 0.1, 0.3, 0.5)
    script = ClipScript(0.5, FPS, actions=(action,), head_motion=head_motion, noise=noise, seed=2)
    pictures = islice(render(portrait, script), 15)
    return [Frame(k, k / FPS, np.array(image)) for k, (_, image) in enumerate(pictures)]


@pytest.fixture(scope="module")
def finder():
    found = Landmarker(tracking=False)
    yield found
    found.close()


@pytest.fixture(scope="module")
def looped(portrait, finder):
    """``looped(units, …)``: the loop of such a movement, and the motion measured in it."""

    @cache
    def make(*words, **more):
        loop = make_loop(clip(portrait, *words, **more), 0.1, finder)
        return loop, measure(loop)

    return make


def truth(portrait, loop, units) -> np.ndarray:
    """(GRID, GRID, 2): how far each place of the face at the onset has gone at the apex, pixels of SIDE."""
    view = reference_view(loop)
    field = displacement(portrait.landmarks, [Activation(*u) for u in units], portrait.image.shape[:2])
    line = ENLARGED * (np.arange(GRID) + 0.5) - 0.5
    places = cv2.transform(np.dstack(np.meshgrid(line, line)), cv2.invertAffineTransform(view))
    places, gone = places.astype(np.float32), np.zeros((GRID, GRID, 2), np.float32)
    for _ in range(5):  # the rendered field says where what is at a place has come from
        gone = cv2.remap(field, places + gone, None, cv2.INTER_LINEAR)
    return gone @ view[:, :2].T


def share(found, expected) -> float:
    """How much of ``expected`` is in ``found``, where it is at least half of its greatest."""
    length = np.hypot(expected[..., 0], expected[..., 1])
    most = length > length.max() / 2
    return float((found[most] * expected[most]).sum() / (expected[most] ** 2).sum())


@pytest.mark.parametrize("head_motion", [0.0, 6.0])
@pytest.mark.parametrize("units", ACTIONS)
def test_the_measured_motion_is_the_true_one(portrait, looped, units, head_motion):
    """Pixel for pixel, in a head that rests and in one that sways."""
    loop, motion = looped(units, head_motion=head_motion)
    expected = truth(portrait, loop, units)
    assert share(motion.own(APEX), expected) == pytest.approx(1, abs=0.15)
    length = np.hypot(*motion.own(APEX).transpose(2, 0, 1))
    still = np.hypot(*expected.transpose(2, 0, 1)) < 0.05
    assert length[still].mean() < 0.15


def with_a_mark(portrait, where):
    """The portrait with a green spot, which is easily found wherever it goes."""
    image = portrait.image.copy()
    cv2.circle(image, tuple(round(x) for x in where), 3, (0, 255, 0), -1, cv2.LINE_AA)
    return replace(portrait, image=image)


def mark_in(picture) -> np.ndarray:
    """(2,) the middle of the green spot."""
    blue, green, red = (picture[..., k].astype(float) for k in range(3))
    greenness = np.maximum(green - np.maximum(blue, red) - 40, 0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.array([(greenness * columns).sum(), (greenness * rows).sum()]) / greenness.sum()


@pytest.mark.parametrize("times", [5, 10, 20])
@pytest.mark.parametrize("units", ACTIONS[:3])
def test_what_moved_is_shown_k_times_as_far(portrait, looped, units, times):
    """A spot on the skin is followed; the motion was measured in the same face without the spot."""
    loop, motion = looped(units)
    expected = truth(portrait, loop, units)
    row, column = np.unravel_index(np.hypot(*expected.transpose(2, 0, 1)).argmax(), (GRID, GRID))
    place = ENLARGED * (np.array([[column, row]]) + 0.5) - 0.5
    on_face = cv2.transform(place[None], cv2.invertAffineTransform(reference_view(loop)))[0, 0]
    marked = clip(with_a_mark(portrait, on_face), units)
    shown = magnify(replace(loop, frames=tuple(marked)), motion, times)
    assert shown.factors[row, column] == pytest.approx(times, rel=0.05)
    went = mark_in(shown.pictures[APEX]) - mark_in(shown.pictures[loop.reference])
    (measured,) = sampled(motion.own(APEX), place)
    assert 0.4 < np.hypot(*measured) < 2, "about a pixel"
    assert np.hypot(*went) == pytest.approx(times * np.hypot(*measured), rel=0.1)
    assert np.hypot(*went) == pytest.approx(times * np.hypot(*expected[row, column]), rel=0.25)


@pytest.mark.parametrize("times", [5, 10, 20])
def test_the_warp_itself_is_exact(times):
    """A known field on a texture: each place is put k times as far."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (SIDE, SIDE)).astype(np.float32), (0, 0), 4)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    line = ENLARGED * (np.arange(GRID) + 0.5) - 0.5
    across, down = np.meshgrid(line, line)
    middle = SIDE // 2
    bell = np.exp(-((across - middle) ** 2 + (down - middle) ** 2) / (2 * 54**2))
    field = np.dstack([0.4 * bell, -0.8 * bell]).astype(np.float32)
    large = cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    now = cv2.remap(texture, x - large[..., 0], y - large[..., 1], cv2.INTER_CUBIC)
    picture = np.dstack([now] * 3).astype(np.uint8)
    made = warped(picture, np.eye(2, 3), field, times * field)[..., 0].astype(np.float32)
    piece = texture[middle - 12 : middle + 13, middle - 12 : middle + 13]
    score = cv2.matchTemplate(made, piece, cv2.TM_CCOEFF_NORMED)
    _, _, _, (left, top) = cv2.minMaxLoc(score)
    assert np.hypot(left + 12 - middle - times * 0.4, top + 12 - middle + times * 0.8) < 0.1 * times


def test_nothing_moves_where_nothing_moved(looped):
    loop, motion = looped(SMILE, noise=0.0)
    made = magnify(loop, motion, 20)
    still = made.pictures[loop.reference]
    assert np.abs(still.astype(int) - made.pictures[0]).mean() < 2
    assert np.abs(still.astype(int) - cut(loop.frames[loop.reference].image, reference_view(loop))).mean() < 1


def test_the_heads_motion_is_taken_off(looped):
    """A head that sways by several pixels does so in the plain loop, and hardly in the other one."""
    loop, motion = looped(SMILE, head_motion=6.0)
    view = reference_view(loop)
    points = loop.landmarks @ view[:, :2].T + view[:, 2]
    nose, corners = points[[27, 28]], points[[48, 54]]
    still = np.hypot(*sampled(motion.own(APEX), nose).T).max()
    assert still < 0.5 * np.hypot(*sampled(motion.own(APEX), corners).T).min()

    def swayed(pictures) -> float:
        first, *others = (np.float32(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY)[60:200, 80:300]) for p in pictures)
        return max(np.hypot(*cv2.phaseCorrelate(first, other)[0]) for other in others)

    as_recorded = swayed([cut(frame.image, view) for frame in loop.frames])
    assert as_recorded > 1
    assert swayed(magnify(loop, motion, 1).pictures) < 0.4 * as_recorded


def test_a_large_movement_is_magnified_less_where_it_is_and_that_is_said(looped):
    """A broad grin and brows that rise by a pixel: the brows are magnified as if the mouth were still."""
    loop, motion = looped(((12, 0.03, 0.03), (2, 0.004, 0.004)))
    view = reference_view(loop)
    points = on_grid(loop.landmarks @ view[:, :2].T + view[:, 2])
    factors = magnify(loop, motion, 10).factors
    mouth, brow = (factors[tuple(np.rint(points[k]).astype(int)[::-1])] for k in (48, 18))
    assert mouth < 7
    assert brow == pytest.approx(10, rel=0.05)
    about = head_of(packed(loop, motion, 10))
    assert about["times_least"] < 7 < about["times_most"] == 10


def test_what_comes_after_the_movement_does_not_limit_it(looped):
    """The same smile, and right after it the face moves twenty times as far."""
    loop, motion = looped(SMILE)
    after = motion.times > 0.4
    wild = replace(motion, fields=np.where(after[:, None, None, None], 20 * motion.fields, motion.fields))
    alone, cut_off, whole = (magnify(loop, *words) for words in ((motion, 10), (wild, 10, 0.4), (wild, 10)))
    assert cut_off.factors.min() == pytest.approx(10)
    assert whole.factors.min() < 8
    assert np.array_equal(cut_off.pictures[APEX], alone.pictures[APEX])


def test_a_long_loop_is_magnified_at_fewer_frames(portrait):
    frames = [Frame(k, k / FPS, portrait.image[:48, :64]) for k in range(240)]
    loop = Loop(tuple(frames), 30, None)
    held = bounded(loop)
    assert len(held.frames) <= 90
    assert held.frames[held.reference] == frames[30]
    assert bounded(replace(loop, frames=tuple(frames[:36]))).every == 1


def head_of(data: bytes) -> dict:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length])


def test_a_loop_as_the_page_takes_it(looped):
    loop, motion = looped(SMILE)
    for data in (plain(loop), packed(loop, motion, 10)):
        head = head_of(data)
        assert head["frames"] == list(range(15))
        assert len(head["bytes"]) == 15
        (length,) = struct.unpack("<I", data[:4])
        assert len(data) == 4 + length + sum(head["bytes"])
        first = np.frombuffer(data[4 + length : 4 + length + head["bytes"][0]], np.uint8)
        assert cv2.imdecode(first, cv2.IMREAD_COLOR).shape == (SIDE, SIDE, 3)
    series = head["series"]
    assert max(series["regions"], key=lambda name: max(series["regions"][name])) == "lip corners"
    assert {"lip corners, left", "lip corners, right", "chin"} <= series["sides"].keys()
    assert len(head["arrows"]) == 15
    assert len(head["arrows"][0]) == 2 * len(head["places"])


def test_the_curves_name_the_persons_own_side(looped):
    """Only the picture's left lip corner moves: that is the person's right."""
    _, motion = looped(((12, 0.012, 0.0),))
    assert max(motion.sides["lip corners, right"]) > 2 * max(motion.sides["lip corners, left"])


def test_without_a_face_it_says_so(finder):
    frames = [Frame(k, k / FPS, np.full((240, 320, 3), 90, np.uint8)) for k in range(5)]
    loop = make_loop(frames, 0.02, finder)
    assert head_of(plain(loop))["face"] is False
    assert measure(loop) is None
    assert "no face" in head_of(packed(loop, None, 10))["problem"]


@pytest.mark.parametrize("size", [(1920, 1440), (640, 480)])
def test_only_the_part_around_the_face_is_held(portrait, finder, size):
    """A large image becomes as small as the loop shows it, and the loop shows the same."""
    frames = [
        replace(frame, picture=cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC))
        for frame in clip(portrait, noise=0.0)[:6]
    ]
    loop = make_loop(frames, 0.1, finder)
    assert loop.bytes <= sum(frame.image.nbytes for frame in frames)
    assert loop.frames[0].image.shape[1] < 1200
    small = make_loop(clip(portrait, noise=0.0)[:6], 0.1, finder)
    one, other = (cut(held.frames[0].image, reference_view(held)).astype(int) for held in (loop, small))
    assert np.abs(one - other).mean() < 4


def test_a_real_movement_can_be_seen_magnified(shared: Path, finder):
    """A coded smile of a pixel or two: magnified it is several times as large, and the face stays whole."""
    folder = shared / "real" / "clips" / "SAMM_022_3_3_mealab"
    frames = [Frame(k, k / 200, cv2.imread(str(path))) for k, path in enumerate(sorted(folder.glob("*.png")))]
    loop, apex = make_loop(frames[:30], 0.0, finder), 24
    motion = measure(loop)
    made = magnify(loop, motion, 10)
    view = reference_view(loop)
    corners = np.rint(loop.landmarks @ view[:, :2].T + view[:, 2]).astype(int)[[48, 54]]

    def moved(pictures) -> float:
        """How far the corner of the mouth that moves most has gone."""
        return max(np.hypot(*went(pictures[0], pictures[apex], corner)) for corner in corners)

    as_recorded = moved([cut(f.image, pose) for f, pose in zip(loop.frames, motion.poses, strict=True)])
    assert 1 < as_recorded < 8
    assert moved(made.pictures) > 2.5 * as_recorded
    assert np.abs(made.pictures[apex].astype(int) - cut(loop.frames[apex].image, view)).mean() < 12


def went(before, after, place) -> tuple[int, int]:
    """Where the patch around a place is found again, within 36 pixels."""
    (x, y), half, far = place, 14, 36
    patch = before[y - half : y + half + 1, x - half : x + half + 1]
    around = after[y - half - far : y + half + far + 1, x - half - far : x + half + far + 1]
    _, _, _, (left, top) = cv2.minMaxLoc(cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED))
    return left - far, top - far
