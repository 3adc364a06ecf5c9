"""A face brought to its canonical size by machine code: OpenCV's grey levels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spotting.face.warp import warped


def by_opencv(picture, pose, side, fine):
    large = (fine * side, fine * side)
    found = cv2.warpAffine(picture, pose, large, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found if fine == 1 else cv2.resize(found, (side, side), interpolation=cv2.INTER_AREA)


def pose(turn, scale, right, down):
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    return np.array(((cos, -sin, right), (sin, cos, down)))


@pytest.mark.parametrize("fine", [1, 2])
@pytest.mark.parametrize("shape", [(240, 200), (37, 90), (1, 5), (2, 1), (1, 1)])
def test_it_gives_the_grey_levels_of_opencv(shape, fine):
    """Also beside the picture, upside down, far too large and far too small."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, shape).astype(np.uint8)
    for turn in (0.0, 0.3, -0.1, 3.0):
        for scale in (0.02, 0.3, 0.9, 1.0, 1.7, 40.0):
            moved = pose(turn, scale, *rng.uniform(-60, 90, 2))
            apart = warped(picture, moved, 64, fine).astype(int) - by_opencv(picture, moved, 64, fine)
            # 0 with OpenCV 4.11; another version may round a few pixels otherwise
            assert np.abs(apart).max() <= 1
            assert (apart != 0).mean() < 0.01


def test_a_picture_that_is_part_of_another_is_read_as_it_lies():
    whole = np.random.default_rng(1).integers(0, 256, (90, 90)).astype(np.uint8)
    part, moved = whole[10:70, 20:80], pose(0.1, 0.8, 3, 4)
    np.testing.assert_array_equal(warped(part, moved, 32, 1), warped(part.copy(), moved, 32, 1))


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e12])
def test_an_impossible_pose_stays_within_the_picture(scale):
    picture = np.full((20, 30), 7, np.uint8)
    for fine in (1, 2):
        assert (warped(picture, pose(0.2, scale, 1e15, -1e15), 16, fine) == 7).all()
