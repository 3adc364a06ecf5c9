"""The magnified loop moves k times as far as what was measured, and only the face, not the head."""

from __future__ import annotations

import json
import struct
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognizer.flow.shown import ShownFlow
from recognizer.landmarks import Landmarker
from stream.frame import Frame
from stream.review.loops.loop import SIDE, cut, make_loop, plain, reference_view
from stream.review.loops.magnify import magnify, packed, warped
from stream.review.loops.motion_field import ENLARGED, GRID, measure, sampled
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation

FPS = 60.0


def film(portrait, head_motion: float = 0.0, units=((12, 0.004, 0.004),)) -> list[Frame]:
    """0.5 s in which the lip corners rise by about a pixel, at 0.3 s the furthest."""
    action = Action("positive", tuple(Activation(*unit) for unit in units), 0.1, 0.3, 0.5)
    script = ClipScript(0.5, FPS, actions=(action,), head_motion=head_motion, noise=0.0, seed=2)
    pictures = islice(render(portrait, script), 30)
    return [Frame(k, k / FPS, np.array(image)) for k, (_, image) in enumerate(pictures)]


@pytest.fixture(scope="module")
def engine() -> ShownFlow:
    return ShownFlow()


@pytest.fixture(scope="module")
def loop(portrait):
    landmarker = Landmarker()
    try:
        return make_loop(film(portrait), 0.1, landmarker)
    finally:
        landmarker.close()


@pytest.fixture(scope="module")
def motion(loop, engine):
    return measure(loop, engine)


def lip_corners(loop) -> np.ndarray:
    view = reference_view(loop)
    return (loop.landmarks @ view[:, :2].T + view[:, 2])[[48, 54]]


def grey(picture) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize("times", [5, 10, 20])
def test_what_moved_moves_k_times_as_far(loop, motion, engine, times):
    apex = 18
    corners = lip_corners(loop)
    measured = sampled(motion.fields[apex], corners)
    assert 0.4 < np.hypot(*measured.T).min() < 2, "about a pixel"
    made = magnify(loop, motion, times)
    assert made.times == times
    still, moved = (grey(made.pictures[k]) for k in (loop.reference, apex))
    seen = engine.between(still, moved)
    for (x, y), expected in zip(corners, times * measured, strict=True):
        # Where the corner went, within the skin that moves with it.
        window = seen[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5].reshape(-1, 2)
        assert np.hypot(*np.median(window, axis=0)) == pytest.approx(np.hypot(*expected), rel=0.1)


@pytest.mark.parametrize("times", [5, 10, 20])
def test_the_warp_itself_is_exact(times):
    """A known field on a texture: each place is put k times as far."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (SIDE, SIDE)).astype(np.float32), (0, 0), 4)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    line = np.arange(GRID, dtype=np.float32)
    across, down = np.meshgrid(line, line)
    bell = np.exp(-((across - 96) ** 2 + (down - 96) ** 2) / (2 * 27**2))
    field = np.dstack([0.4 * bell, -0.8 * bell]).astype(np.float32)
    large = cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    now = cv2.remap(texture, x - large[..., 0], y - large[..., 1], cv2.INTER_CUBIC)
    made = warped(np.dstack([now] * 3).astype(np.uint8), field, times)[..., 0].astype(np.float32)
    middle = 96 * ENLARGED + 0.5
    dx, dy = times * 0.4, -times * 0.8
    piece = texture[int(middle) - 12 : int(middle) + 13, int(middle) - 12 : int(middle) + 13]
    score = cv2.matchTemplate(made, piece, cv2.TM_CCOEFF_NORMED)
    _, _, _, (left, top) = cv2.minMaxLoc(score)
    assert np.hypot(left + 12 - int(middle) - dx, top + 12 - int(middle) - dy) < 0.1 * times


def test_nothing_moves_where_nothing_moved(loop, motion):
    made = magnify(loop, motion, 20)
    still = made.pictures[loop.reference]
    first = made.pictures[0]
    assert np.abs(still.astype(int) - first).mean() < 2
    assert np.abs(still.astype(int) - cut(loop.frames[loop.reference].image, reference_view(loop))).mean() < 1


def test_the_heads_motion_is_taken_off(portrait, engine):
    """A head that sways by several pixels, and a mouth that moves: the forehead stays where it was."""
    landmarker = Landmarker()
    loop = make_loop(film(portrait, head_motion=6.0), 0.1, landmarker)
    landmarker.close()
    motion = measure(loop, engine)
    view = reference_view(loop)
    points = loop.landmarks @ view[:, :2].T + view[:, 2]
    nose, corners = points[[27, 28]], points[[48, 54]]
    still = np.hypot(*sampled(motion.fields[18], nose).T).max()
    moved = np.hypot(*sampled(motion.fields[18], corners).T).min()
    assert still < 0.5 * moved
    swayed = np.array(
        [
            cv2.phaseCorrelate(*(np.float32(grey(cut(f.image, view))) for f in (loop.frames[6], f)))[0]
            for f in loop.frames[::6]
        ]
    )
    assert np.hypot(*swayed.T).max() > 1, "the plain loop shows the head as it moved"


def test_a_large_movement_is_magnified_less_and_that_is_said(portrait, engine):
    landmarker = Landmarker()
    loop = make_loop(film(portrait, units=((12, 0.03, 0.03),)), 0.1, landmarker)
    landmarker.close()
    made = magnify(loop, measure(loop, engine), 20)
    assert 1 < made.times < 15


def head_of(data: bytes) -> dict:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length])


def test_a_loop_as_the_page_takes_it(loop, motion):
    for data in (plain(loop), packed(loop, motion, 10)):
        head = head_of(data)
        assert head["frames"] == list(range(30))
        assert len(head["bytes"]) == 30
        (length,) = struct.unpack("<I", data[:4])
        assert len(data) == 4 + length + sum(head["bytes"])
        first = np.frombuffer(data[4 + length : 4 + length + head["bytes"][0]], np.uint8)
        assert cv2.imdecode(first, cv2.IMREAD_COLOR).shape == (SIDE, SIDE, 3)
    series = head["series"]
    assert max(series["regions"], key=lambda name: max(series["regions"][name])) == "lip corners"
    assert {"lip corners, left", "lip corners, right", "chin"} <= series["sides"].keys()
    assert len(head["arrows"]) == 30
    assert len(head["arrows"][0]) == 2 * len(head["places"])


def test_the_curves_name_the_persons_own_side(portrait, engine):
    """Only the picture's left lip corner moves: that is the person's right."""
    landmarker = Landmarker()
    loop = make_loop(film(portrait, units=((12, 0.012, 0.0),)), 0.1, landmarker)
    landmarker.close()
    sides = measure(loop, engine).sides
    assert max(sides["lip corners, right"]) > 2 * max(sides["lip corners, left"])


def test_without_a_face_it_says_so(engine):
    frames = [Frame(k, k / FPS, np.full((240, 320, 3), 90, np.uint8)) for k in range(5)]
    landmarker = Landmarker()
    loop = make_loop(frames, 0.02, landmarker)
    landmarker.close()
    assert head_of(plain(loop))["face"] is False
    assert measure(loop, engine) is None
    assert "no face" in head_of(packed(loop, None, 10))["problem"]


def test_a_real_movement_can_be_seen_magnified(shared: Path, engine):
    """A coded smile of a pixel or two: magnified it is several times as large, and the face stays whole."""
    folder = shared / "real" / "clips" / "SAMM_022_3_3_mealab"
    frames = [Frame(k, k / 200, cv2.imread(str(path))) for k, path in enumerate(sorted(folder.glob("*.png")))]
    landmarker = Landmarker()
    loop = make_loop(frames[:30], 0.0, landmarker)
    landmarker.close()
    motion = measure(loop, engine)
    made = magnify(loop, motion, 10)
    view, corners, apex = reference_view(loop), lip_corners(loop), 24

    def moved(pictures) -> float:
        flow = engine.between(grey(pictures[0]), grey(pictures[apex]))
        return max(np.hypot(*flow[round(y), round(x)]) for x, y in corners)

    as_recorded = moved(
        [cut(frame.image, pose) for frame, pose in zip(loop.frames, motion.poses, strict=True)]
    )
    assert moved(made.pictures) > 0.5 * made.times * as_recorded
    assert made.times >= 5
    assert np.abs(made.pictures[apex].astype(int) - cut(frames[apex].image, view)).mean() < 12
