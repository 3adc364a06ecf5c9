"""Displacement of places between two small images whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from spotting.place_flow import _WEIGHT, REACH, PlaceFlow

SIDE, UNIT = 128, 100.0
SKULL = np.array([(64, 46), (64, 60), (40, 50), (90, 50), (30, 60), (98, 60)], np.float64)
PLACES = np.array([(50, 90), (80, 92), (64, 105)], np.float64)
NEAR = np.array((1, 1, 1, 1, 0.2))
"""What a number of the head's motion moves at most."""
DEPTHS = np.array((0, 0.1, 0, 0, -0.2, -0.2, 0.05, 0.05, 0))


@pytest.fixture(scope="module")
def skin():
    """A smooth texture, grey levels around 120, that can be sampled anywhere."""
    noise = np.random.default_rng(3).standard_normal((SIDE, SIDE)).astype(np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return (120 + 25 * texture / texture.std()).astype(np.float32)


def warped(skin, field):
    """The image after each point has moved by ``field(x, y)`` (small, smooth)."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    across, down = field(x, y)
    map_x, map_y = (x - across).astype(np.float32), (y - down).astype(np.float32)
    return cv2.remap(skin, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def bump(x, y, place, across, down, radius=9.0):
    height = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * radius**2))
    return across * height, down * height


def test_nothing_moved(skin):
    head, own = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT).measure(skin)
    assert np.abs(head).max() < 1e-3
    assert np.abs(own).max() < 1e-3


@pytest.mark.parametrize("motion", [(0.4, -0.3, 0, 0), (0, 0, 1.2, 0), (0, 0, 0, 1.5), (0.6, 0.5, -0.8, 1.0)])
def test_the_heads_motion_is_found_and_is_nobodys_own(skin, motion):
    right, down, growth, turn = motion

    def field(x, y):
        u, v = (x - SIDE / 2) / UNIT, (y - SIDE / 2) / UNIT
        return right + growth * u - turn * v, down + growth * v + turn * u

    head, own = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT).measure(warped(skin, field))
    np.testing.assert_allclose(head[:4], motion, atol=0.2)
    assert np.abs(own).max() < 0.08


@pytest.mark.parametrize("size", [0.1, 0.3, 0.8])
def test_a_places_own_motion_is_found_where_it_is(skin, size):
    head, own = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT).measure(
        warped(skin, lambda x, y: bump(x, y, PLACES[0], 0.6 * size, -0.8 * size))
    )
    assert 0.6 * size < np.hypot(*own[0]) < 1.15 * size
    assert own[0] @ (0.6, -0.8) > 0.95 * np.hypot(*own[0])
    assert np.hypot(*own[1]) < 0.2 * size
    assert np.abs(head * NEAR).max() < 0.15 * size


def test_a_turn_of_the_head_is_nobodys_own_motion(skin):
    def depth(x, y):
        return 0.1 - 0.3 * ((x - SIDE / 2) / 40) ** 2

    depths = depth(*np.concatenate([SKULL, PLACES]).T)
    turned = warped(skin, lambda x, y: (3 * depth(x, y), 0 * y))
    head, own = PlaceFlow(skin, SKULL, PLACES, depths, UNIT).measure(turned)
    assert head[4] == pytest.approx(3, abs=0.8)
    assert np.abs(own).max() < 0.08
    _, unknown = PlaceFlow(skin, SKULL, PLACES, np.zeros(9), UNIT).measure(turned)
    assert np.abs(unknown).max() > 0.2


def test_motion_of_hundredths_of_a_pixel_is_found_in_proportion(skin):
    flow = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    found = []
    for size in (sizes := np.arange(1, 9) / 100):
        across, down = bump(x, y, PLACES[0], size, 0)
        moved = map_coordinates(skin.astype(np.float64), (y - down, x - across), order=3, mode="mirror")
        found.append(flow.measure(moved.astype(np.float32))[1][0, 0])
    np.testing.assert_allclose(np.array(found) / sizes, found[-1] / sizes[-1], rtol=0.05)


def test_light_is_no_motion(skin):
    flow = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT)
    y, x = np.mgrid[:SIDE, :SIDE]
    for changed in (skin + 20, skin * 1.05, skin + 0.1 * (x - 64) + 0.05 * y):
        head, own = flow.measure(changed.astype(np.float32))
        assert np.abs(own).max() < 0.1
        assert np.abs(head * NEAR).max() < 0.1


def test_skin_that_shows_nothing_does_not_move(skin):
    flat = np.full((SIDE, SIDE), 80, np.uint8)
    for first, second in ((flat, flat), (flat, flat + np.uint8(5))):
        head, own = PlaceFlow(first, SKULL, PLACES, DEPTHS, UNIT).measure(second)
        assert np.abs(head).max() < 1e-3
        assert np.abs(own).max() < 1e-3
    half = skin.copy()
    half[80:] = 120  # the lower face is a mask
    noise = np.random.default_rng(1).normal(0, 1, half.shape).astype(np.float32)
    _, own = PlaceFlow(half, SKULL, PLACES, DEPTHS, UNIT).measure(half + noise)
    assert np.abs(own).max() < 0.1


def test_what_is_no_picture_of_the_same_face_stays_bounded(skin):
    other = np.random.default_rng(9).uniform(0, 255, skin.shape).astype(np.float32)
    head, own = PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT).measure(other)
    assert np.isfinite(own).all()
    assert (np.abs(head) <= LIMITS).all()


LIMITS = np.array((8, 8, 8, 8, 20))
LINE = np.arange(-REACH, REACH + 1, dtype=np.float32)


def windows(picture, places):
    """(n, pixels) the image around each place, between pixels where need be; beyond the image, its edge."""
    x = np.tile(places[:, :1] + LINE, len(LINE))
    y = np.repeat(places[:, 1:] + LINE, len(LINE), axis=1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - left, y - top

    def at(down, across):
        return picture[down.clip(0, len(picture) - 1), across.clip(0, picture.shape[1] - 1)]

    upper = at(top, left) * (1 - u) + at(top, left + 1) * u
    return upper * (1 - v) + (at(top + 1, left) * (1 - u) + at(top + 1, left + 1) * u) * v


def smoothed(picture):
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.8)


def by_numpy(flow, picture):
    """What ``measure`` gives."""
    grey, slopes, _, texture, inverse, carry, start, *_ = flow._arrays
    rigid, smooth = flow._rigid, smoothed(picture)
    head, own, weight = np.zeros(5), np.zeros_like(start), np.ones(rigid)
    for step in range(2):
        carried = carry @ head
        change = windows(smooth, start + carried + own) - grey
        pull = (slopes @ change[..., None])[..., 0].astype(np.float64)
        if step:
            left = np.hypot(*(inverse[:rigid] @ pull[:rigid, :, None])[..., 0].T)
            weight = 1 / (1 + (left / (np.median(left) + 1e-6)) ** 2)
        normal = np.einsum("n,nij,nik,nkl->jl", weight, carry[:rigid], texture[:rigid], carry[:rigid])
        pulled = np.einsum("n,nij,ni->j", weight, carry[:rigid], pull[:rigid])
        head = np.clip(head - np.linalg.solve(normal + flow._tiny * np.eye(5), pulled), -LIMITS, LIMITS)
        apart = own + carried - carry @ head
        wanted = (texture @ apart[..., None])[..., 0] - pull
        own[rigid:] = (inverse @ wanted[..., None])[rigid:, :, 0]
    return head, own[rigid:]


BEYOND = np.vstack([PLACES, [(3, 120), (-6, 40), (126, 2), (140, 140), (64.015625, 40.5)]])
"""Also where windows reach beyond the image, or fall between its pixels in two ways."""


def test_compiled_windows_are_those_of_numpy(skin):
    flow = PlaceFlow(skin, SKULL, BEYOND, np.append(DEPTHS, np.zeros(5)), UNIT)
    grey, slopes, _, texture, _, _, start, *_ = flow._arrays
    smooth = smoothed(skin)
    np.testing.assert_allclose(grey, windows(smooth, start), atol=1e-3)
    ways = [cv2.Sobel(smooth, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1))]
    plain = np.stack([windows(way, start) for way in ways], axis=1)
    plain -= (plain @ _WEIGHT)[..., None]
    np.testing.assert_allclose(slopes, _WEIGHT * plain, atol=1e-6)
    np.testing.assert_allclose(texture, (_WEIGHT * plain) @ plain.swapaxes(1, 2), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("skull", [SKULL, SKULL[:5]])
def test_compiled_it_measures_what_numpy_measures(skin, skull):
    rng = np.random.default_rng(2)
    flow = PlaceFlow(skin, skull, BEYOND, np.zeros(len(skull) + len(BEYOND)), UNIT)
    for size in (0.1, 1.0, 5.0, 40.0):
        turn = cv2.getRotationMatrix2D((64, 64), size * rng.normal(), 1 + 0.01 * rng.normal())
        turn[:, 2] += size * rng.normal(size=2)
        moved = cv2.warpAffine(skin, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        picture = np.clip(moved + rng.normal(0, 1, moved.shape), 0, 255).astype(np.uint8)
        for found, expected in zip(flow.measure(picture), by_numpy(flow, picture), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_picture_of_another_size_is_refused(skin):
    with pytest.raises(ValueError, match="resting"):
        PlaceFlow(skin, SKULL, PLACES, DEPTHS, UNIT).measure(skin[:100])
