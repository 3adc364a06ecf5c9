"""The geometry of the face against the paper's formulas, and the landmarks it starts from."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_errors import raises

from recognizer.face import MIN_FACE_WIDTH, Box, NoFaceError, crop_face, cut, locate, puzzle
from recognizer.landmarks import MESH_INDEX

# A made-up face with level eyes; whatever the formulas do not name lies far away, to be noticed if used.
POINTS = {
    **{1: (100, 200), 15: (300, 210), 8: (200, 400)},
    **{17: (120, 148), 19: (150, 140), 20: (165, 142), 21: (185, 150)},
    **{22: (215, 150), 23: (235, 142), 24: (250, 138), 26: (284, 148)},
    **{36: (130, 180), 37: (145, 172), 38: (160, 171), 43: (240, 175), 44: (255, 174), 45: (270, 180)},
    **{33: (200, 270), 48: (160, 310), 54: (240, 312), 51: (200, 300), 57: (200, 330)},
}
MADE_UP = np.full((68, 2), 5000, np.float32)
for _index, _point in POINTS.items():
    MADE_UP[_index] = _point


def rotated(points, degrees, centre):
    """Points and the matrix that turns the image with them, clockwise on the screen."""
    matrix = cv2.getRotationMatrix2D(centre, -degrees, 1.0)
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32), matrix


def gray(picture):
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def sides(box: Box) -> tuple[float, float, float, float]:
    return (box.left, box.top, box.right, box.bottom)


def test_every_box_is_the_papers():
    geometry = locate(MADE_UP)
    # d = [(171 - 142) + (175 - 142)] / 2 = 31; top = 140 - 31
    assert sides(geometry.face) == pytest.approx((100, 109, 300, 400))
    # h = 172 - 140 = 32, l = 185 - 120 = 65
    assert sides(geometry.left_brow) == pytest.approx((103.75, 132, 201.25, 164))
    # h = 174 - 138 = 36, l = 284 - 215 = 69
    assert sides(geometry.right_brow) == pytest.approx((197.75, 129, 301.25, 165))
    # h = 300 - 270 = 30, l = 240 - 160 = 80
    assert sides(geometry.mouth) == pytest.approx((140, 285, 260, 345))
    np.testing.assert_allclose(geometry.rotation, [(1, 0, 0), (0, 1, 0)], atol=1e-9)


@given(
    degrees=st.floats(-60, 60),
    scale=st.floats(0.5, 4),
    shift=st.tuples(st.floats(-900, 900), st.floats(-900, 900)),
)
def test_the_regions_follow_the_face(degrees, scale, shift):
    """Roll, size and place of the face change where the boxes are, not what lies in them."""
    level = locate(MADE_UP)
    turned, _ = rotated(MADE_UP, degrees, (200, 250))
    geometry = locate((turned * scale + shift).astype(np.float32))
    eyes = geometry.landmarks[[36, 45]]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 0.01
    for name in ("face", "left_brow", "right_brow", "mouth"):
        box, expected = getattr(geometry, name), getattr(level, name)
        assert box.width == pytest.approx(scale * expected.width, abs=0.05)
        assert box.height == pytest.approx(scale * expected.height, abs=0.05)
        corner = np.array((box.left, box.top)) - eyes[0]
        assert corner == pytest.approx(
            scale * (np.array((expected.left, expected.top)) - POINTS[36]), abs=0.05
        )


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_rolled_face_gives_the_same_crop_and_puzzle(portrait, degrees):
    centre = tuple(float(c) for c in portrait.landmarks.mean(axis=0))
    landmarks, matrix = rotated(portrait.landmarks, degrees, centre)
    height, width = portrait.image.shape[:2]
    picture = gray(
        cv2.warpAffine(
            portrait.image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
    )
    level, rolled = locate(portrait.landmarks), locate(landmarks)
    for take in (crop_face, puzzle):
        straight, turned = (
            take(image, geometry, 128).astype(float)
            for image, geometry in ((gray(portrait.image), level), (picture, rolled))
        )
        # The corners may show what the turn brought into the image or what it pushed out of it.
        assert np.abs(straight - turned)[8:-8, 8:-8].mean() < 1.5
    unturned = crop_face(picture, level, 128).astype(float)
    assert np.abs(unturned - crop_face(gray(portrait.image), level, 128)).mean() > 10


def test_both_frames_of_a_pair_are_cut_alike(portrait):
    """What moves between two crops is the face, not the crop: a shifted image gives a shifted crop."""
    picture, geometry = gray(portrait.image), locate(portrait.landmarks)
    side = round(geometry.face.width)
    box = replace(geometry.face, right=geometry.face.left + side, bottom=geometry.face.top + side)
    first = cut(picture, geometry, box, side, side).astype(float)
    second = cut(np.roll(picture, 3, axis=1), geometry, box, side, side).astype(float)
    assert np.abs(first[:, :-3] - second[:, 3:]).mean() < 1.0


def test_a_crop_that_reaches_outside_repeats_the_edge():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    picture = cv2.GaussianBlur(noise, None, 3)
    gone = 200  # the left half of the face, which is level and 200 px wide
    half = locate(MADE_UP - np.array((gone, 0), np.float32))
    assert half.face.left == -100
    whole = crop_face(picture, locate(MADE_UP), 100)
    outside = crop_face(np.ascontiguousarray(picture[:, gone:]), half, 100)
    np.testing.assert_allclose(outside[:, 51:].astype(int), whole[:, 51:], atol=1)
    assert (outside[:, :50] == outside[:, :1]).all()
    np.testing.assert_allclose(outside[:, 0].astype(int), outside[:, 50], atol=8)
    assert puzzle(np.ascontiguousarray(picture[:, gone:]), half, 128).shape == (128, 128)


@pytest.mark.parametrize("size", [28, 65, 128, 256])
def test_the_puzzle_is_brows_over_mouth(portrait, size):
    picture, geometry = gray(portrait.image), locate(portrait.landmarks)
    whole, half = puzzle(picture, geometry, size), size // 2
    assert whole.shape == (size, size)
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole[:half, :half], cut(picture, geometry, geometry.left_brow, half, half))
    np.testing.assert_array_equal(
        whole[:half, half:], cut(picture, geometry, geometry.right_brow, size - half, half)
    )
    np.testing.assert_array_equal(whole[half:], cut(picture, geometry, geometry.mouth, size, size - half))


def test_a_face_that_is_too_small_is_refused():
    scale = (MIN_FACE_WIDTH - 1) / 200
    with raises("no-face", "47 px", "48 px") as caught:
        locate((MADE_UP * scale).astype(np.float32))
    assert isinstance(caught.value, NoFaceError)
    locate((MADE_UP * (MIN_FACE_WIDTH + 1) / 200).astype(np.float32))


@pytest.mark.parametrize(
    "change",
    [
        {22: (283, 150)},  # the right brow seen from the side
        {21: (121, 150)},
        {54: (162, 310)},
        {57: (200, 260)},  # a hand on the mouth confuses its landmarks
        {37: (145, 141)},
    ],
)
def test_a_face_turned_away_is_refused(change):
    landmarks = MADE_UP.copy()
    for index, point in change.items():
        landmarks[index] = point
    with pytest.raises(NoFaceError):
        locate(landmarks)


@given(st.lists(st.tuples(st.floats(-500, 2000), st.floats(-500, 2000)), min_size=68, max_size=68))
def test_any_landmarks_give_usable_boxes_or_no_face(points):
    try:
        geometry = locate(np.array(points, np.float32))
    except NoFaceError:
        return
    for box in (geometry.face, geometry.left_brow, geometry.right_brow, geometry.mouth):
        assert box.width >= 4
        assert box.height >= 4


def check_face(points):
    """What holds for every upright frontal face, in the picture's axes."""
    x, y = points[:, 0], points[:, 1]
    # left to right
    assert (np.diff(x[[0, 17, 36, 39, 27, 42, 45, 26, 16]]) > 0).all()
    assert (np.diff(x[17:27]) > 0).all()
    assert (np.diff(x[48:55]) > 0).all()
    assert (np.diff(x[54:60]) < 0).all()
    assert (np.diff(x[31:36]) > 0).all()
    # top to bottom
    assert (np.diff(y[[19, 37, 41, 30, 33, 51, 57, 8]]) > 0).all()
    assert (np.diff(y[[24, 44, 46, 30, 33, 51, 57, 8]]) > 0).all()
    assert (np.diff(y[27:31]) > 0).all()
    assert (np.diff(y[0:9]) > 0).all()
    assert (np.diff(y[8:17]) < 0).all()
    for brow, lid in ((19, 37), (20, 38), (23, 43), (24, 44)):
        assert y[brow] < y[lid]
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46), (62, 66), (51, 57)):
        assert y[upper] <= y[lower]
    # the lips' inner contour lies in the outer one, the jaw around everything
    assert x[48] < x[60]
    assert x[64] < x[54]
    assert x[:17].min() < x[17:].min()
    assert x[:17].max() > x[17:].max()
    assert y[8] == y.max()
    locate(points)


def test_landmarks_of_the_portrait(landmarker):
    from skimage.data import astronaut

    picture = np.ascontiguousarray(astronaut()[..., ::-1])
    points = landmarker.detect(picture)
    assert points.shape == (68, 2)
    assert points.dtype == np.float32
    check_face(points)
    # The same face in an image twice as large, and mirrored.
    double = landmarker.detect(cv2.resize(picture, None, fx=2, fy=2))
    assert np.abs(double / 2 - points).max() < 3
    check_face(landmarker.detect(np.ascontiguousarray(picture[:, ::-1])))


@pytest.mark.parametrize("name", ["0-f1-su-ph.jpg", "15-f13-anc-ph.jpg"])
def test_landmarks_of_real_pictures(shared, landmarker, name):
    picture = cv2.imread(str(shared / "media" / name))
    check_face(landmarker.detect(picture))


def test_the_landmark_table_names_each_point_once():
    assert len(MESH_INDEX) == len(set(MESH_INDEX.tolist())) == 68
    assert MESH_INDEX.min() >= 0
    assert MESH_INDEX.max() < 468


def test_pictures_of_another_kind_are_one_line(landmarker):
    for picture in (np.zeros((60, 80), np.uint8), np.zeros((60, 80, 3), np.float32), np.zeros((9, 9, 4))):
        with raises("invalid", f"{picture.dtype} {picture.shape}"):
            landmarker.detect(picture)


def test_no_face_in_a_wall(landmarker):
    assert landmarker.detect(np.full((240, 320, 3), 120, np.uint8)) is None
