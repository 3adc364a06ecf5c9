"""Flow, strain and the 28×28 features: known fields, mirrored faces, and the same answer every time."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_errors import raises

from recognizer.face import NoFaceError
from recognizer.feature import SEAM, FeatureExtractor, Unwanted, normalise, puzzle_strain, to_feature
from recognizer.flow.engine import FlowEngine, strain

slopes = st.floats(-0.2, 0.2)


@pytest.fixture(scope="module")
def extractor():
    made = FeatureExtractor()
    yield made
    made.close()


def linear(a, b, c, d, height=40, width=56):
    """u = a·x + b·y, v = c·x + d·y."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([a * x + b * y, c * x + d * y]).astype(np.float32)


def feature_of(field):
    return to_feature(field, strain(field))


@given(slopes, slopes, slopes, slopes)
def test_strain_of_a_linear_field_is_the_formulas(a, b, c, d):
    expected = np.sqrt(a**2 + d**2 + 2 * ((b + c) / 2) ** 2)
    np.testing.assert_allclose(strain(linear(a, b, c, d)), expected, atol=1e-5)


def test_a_turn_is_no_strain_and_a_shear_is():
    assert strain(linear(0, 0.1, -0.1, 0)).max() < 1e-5
    assert strain(linear(0, 0.1, 0.1, 0)).min() == pytest.approx(0.1 * np.sqrt(2), abs=1e-5)


def test_strain_of_a_stretch_lies_where_the_stretch_is():
    field = np.zeros((64, 64, 2), np.float32)
    field[:, 32:, 0] = 1.0  # everything right of the middle moves by 1 px
    found = strain(field)
    assert found.dtype == np.float32
    assert found[:, 31:33] == pytest.approx(0.5)
    assert found[:, :31].max() == found[:, 33:].max() == 0


def test_the_puzzles_seams_are_no_strain():
    """Each region moves its own way; inside a region the strain is the plain one."""
    field = np.zeros((128, 128, 2), np.float32)
    field[:64, :64], field[:64, 64:], field[64:] = (1, -1), (-2, 0), (0, 3)
    assert strain(field).max() > 1
    assert not puzzle_strain(field).any()
    rng = np.random.default_rng(0)
    field = rng.normal(size=(128, 128, 2)).astype(np.float32)
    found, plain = puzzle_strain(field), strain(field)
    assert found.shape == plain.shape
    for rows, columns in (
        (slice(0, 64 - SEAM), slice(0, 64 - SEAM)),
        (slice(0, 64 - SEAM), slice(64 + SEAM, 128)),
        (slice(64 + SEAM, 128), slice(0, 128)),
    ):
        np.testing.assert_array_equal(found[rows, columns], plain[rows, columns])


def test_a_feature_is_u_v_strain_each_from_0_to_255():
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    bump = np.exp(-((x - 40) ** 2 + (y - 80) ** 2) / 300)
    feature = feature_of(np.dstack([0.01 * (x - 64), -3 * bump]))
    assert feature.shape == (3, 28, 28)
    assert feature.dtype == np.uint8
    for channel in feature:
        assert channel.min() == 0
        assert channel.max() == 255
    u, v, e = feature
    assert (np.diff(u.astype(int), axis=1) > 0).all()  # u grows to the right, and only there
    assert (np.diff(u.astype(int), axis=0) == 0).all()
    assert np.unravel_index(v.argmin(), v.shape) == (17, 8)  # (80, 40) / 128 · 28
    ring = np.unravel_index(e.argmax(), e.shape)
    assert 2 <= np.hypot(ring[0] - 17, ring[1] - 8) <= 5  # a bump stretches on its slopes


@given(scale=st.floats(0.001, 1000), offset=st.floats(-5, 5))
def test_a_feature_knows_neither_size_nor_mean_of_the_motion(scale, offset):
    field = np.random.default_rng(0).normal(size=(56, 56, 2)).astype(np.float32)
    difference = feature_of((scale * field).astype(np.float32)).astype(int) - feature_of(field)
    assert np.abs(difference).max() <= 1
    shifted = feature_of((field + offset).astype(np.float32)).astype(int) - feature_of(field)
    assert np.abs(shifted).max() <= 1


def test_a_channel_without_contrast_is_zeros():
    assert not feature_of(np.zeros((128, 128, 2), np.float32)).any()
    u, v, e = feature_of(linear(0, 0.02, 0, 0, 128, 128))
    assert u.max() == 255
    assert not v.any()
    assert not e.any(), "rounding errors of a constant strain were stretched to the full range"


def test_what_the_network_takes_lies_in_minus_1_to_1():
    taken = normalise(np.array([[0, 51, 255]], np.uint8))
    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken, [[-1, -0.6, 1]], atol=1e-6)


def test_the_flow_engine_serves_pictures_of_several_sizes():
    """OpenCV's object keeps the pyramid of the smallest image it has seen: sizes must not share one."""
    if FlowEngine().device != "cpu":
        pytest.skip("tests the flow on the CPU")
    rng = np.random.default_rng(1)
    large = cv2.GaussianBlur(rng.integers(0, 256, (128, 128), np.uint8), None, 2)
    pair = (large, np.roll(large, 4, axis=1))
    small = tuple(picture[:32, :32].copy() for picture in pair)
    fresh = FlowEngine().flows([pair])[0]
    engine = FlowEngine()
    engine.flows([small])
    np.testing.assert_array_equal(engine.flows([pair])[0], fresh)
    assert fresh.shape == (128, 128, 2)
    assert fresh.dtype == np.float32
    assert np.median(fresh[..., 0]) == pytest.approx(4, abs=0.1)
    assert np.median(fresh[..., 1]) == pytest.approx(0, abs=0.1)


def test_a_smile_moves_the_lip_corners_up_and_out(extractor, portrait, moved):
    found = extractor.extract(portrait.image, moved((12, 0.01, 0.01)))
    u, v = found.puzzled_flow[64:, :, 0], found.puzzled_flow[64:, :, 1]  # the mouth's half
    corners = v[20:44, 10:40], v[20:44, -40:-10]
    for corner in corners:
        assert corner.min() < -1
    assert u[20:44, 10:40].min() < -0.4  # outward
    assert u[20:44, -40:-10].max() > 0.4
    brows = np.linalg.norm(found.puzzled_flow[:64], axis=2)
    assert np.percentile(brows, 90) < 0.3
    assert set(found.stage_ms) == {"landmarks", "crop", "flow"}
    assert [picture.shape for picture in (*found.faces, *found.puzzles)] == [(128, 128)] * 4


def test_a_mirrored_face_gives_mirrored_features_with_u_reversed(extractor, portrait, moved):
    onset, apex = portrait.image, moved((12, 0.012, 0.006), (4, 0.006, 0.0))
    here = extractor.extract(onset, apex)
    there = extractor.extract(*(np.ascontiguousarray(picture[:, ::-1]) for picture in (onset, apex)))
    for name, least in (("entire", (0.85, 0.95)), ("puzzled", (0.9, 0.95))):
        mirrored = getattr(there, name)[:, :, ::-1].astype(float)
        straight = getattr(here, name).astype(float)
        u, v = (np.corrcoef(straight[k].ravel(), mirrored[k].ravel())[0, 1] for k in (0, 1))
        assert -u > least[0], name
        assert v > least[1], name
    strains = here.puzzled[2].ravel(), there.puzzled[2, :, ::-1].ravel()
    assert np.corrcoef(*strains)[0, 1] > 0.85


def test_identical_pictures_give_zeros(extractor, portrait):
    found = extractor.extract(portrait.image, portrait.image.copy())
    assert not found.entire.any()
    assert not found.puzzled.any()


def test_the_same_pair_gives_the_same_features_whatever_was_seen_in_between(extractor, portrait, moved):
    pair = portrait.image, moved((12, 0.01, 0.008))
    first = extractor.extract(*pair)
    other = np.ascontiguousarray(np.roll(portrait.image, 60, axis=1)[:, ::-1])
    extractor.extract(other, other)
    with pytest.raises(NoFaceError):
        extractor.extract(np.zeros_like(other), np.zeros_like(other))
    fresh = FeatureExtractor()
    for again in (extractor.extract(*pair), fresh.extract(*pair)):
        np.testing.assert_array_equal(again.entire, first.entire)
        np.testing.assert_array_equal(again.puzzled, first.puzzled)
        np.testing.assert_array_equal(again.geometry.landmarks, first.geometry.landmarks)
    fresh.close()


def test_lids_say_how_far_the_eyes_opened_or_closed(extractor, portrait, moved, blink):
    opened, closed = blink
    assert extractor.extract(opened, opened.copy()).lids == pytest.approx(1, abs=0.01)
    assert extractor.extract(opened, moved((12, 0.01, 0.01), (5, 0.01, 0.01))).lids > 0.85
    closing, opening = (extractor.extract(*pair).lids for pair in ((opened, closed), (closed, opened)))
    assert 0.3 < closing < 0.7
    assert opening == pytest.approx(closing, abs=0.02)
    assert extractor.extract(opened, np.full_like(opened, 90)).lids == 0


def test_bad_pairs_are_one_line(extractor, portrait):
    wall = np.full_like(portrait.image, 90)
    cases = [
        ((portrait.image, portrait.image[:-1]), "invalid", ("640×480", "640×479")),
        ((wall, portrait.image), "no-face", ()),
        ((portrait.image[::5, ::5].copy(),) * 2, "no-face", ()),
        ((portrait.image, portrait.image.astype(np.float32)), "invalid", ("uint8", "float32")),
        ((portrait.image[..., 0], portrait.image[..., 0]), "invalid", ("uint8 (480, 640)",)),
    ]
    for pair, code, found in cases:
        with raises(code, *found):
            extractor.extract(*pair)
    # The apex needs no face of its own: the geometry is the onset's.
    assert extractor.extract(portrait.image, wall).entire.shape == (3, 28, 28)


def test_closing_twice_does_no_harm():
    made = FeatureExtractor()
    made.close()
    made.close()


def test_features_that_nobody_wants_any_more_are_given_up(extractor, portrait):
    asked = []

    def wanted():
        asked.append(1)
        return len(asked) < 2

    with pytest.raises(Unwanted):
        extractor.extract(portrait.image, portrait.image, wanted)
    assert len(asked) == 2  # it stopped at once, before the flow
    assert extractor.extract(portrait.image, portrait.image).entire.shape == (3, 28, 28)


def test_landmarks_of_both_images_and_the_flow_do_not_wait_for_each_other(portrait, moved, monkeypatch):
    made, begun, flowing = FeatureExtractor(), threading.Event(), threading.Event()
    pair = portrait.image, moved((12, 0.01, 0.008))
    expected = made.extract(*pair)
    at_onset, at_apex, flows = made._at_onset.detect, made._at_apex.detect, made._engine.flows

    def onset(image):
        assert begun.wait(20), "the onset image comes first"
        return at_onset(image)

    def apex(image):
        begun.set()
        assert flowing.wait(20), "the flow waits for the apex image's landmarks"
        return at_apex(image)

    def computing(pairs):
        flowing.set()
        return flows(pairs)

    monkeypatch.setattr(made._at_onset, "detect", onset)
    monkeypatch.setattr(made._at_apex, "detect", apex)
    monkeypatch.setattr(made._engine, "flows", computing)
    found = made.extract(*pair)
    np.testing.assert_array_equal(found.entire, expected.entire)
    assert found.lids == expected.lids
    made.close()
