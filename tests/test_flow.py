"""The flow engine: a pair's flow is its own, whatever else is asked for, and bad images are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from flow_pairs import Field, Image, distance, filmed_pairs, opencv, portrait_pair
from user_errors import raises

from recognizer.feature import to_feature
from recognizer.flow import engine as engines
from recognizer.flow.engine import MARGIN, FlowEngine, strain
from stream import Session

on_cpu = pytest.mark.skipif(FlowEngine().device != "cpu", reason="a GPU computes the flow here")

PAIRS = [portrait_pair(96, 104, pixels, seed) for seed, pixels in enumerate((0.0, 0.3, 1.0, 4.0))]
"""Pairs that need different numbers of iterations."""


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


def flow(first: Image, second: Image) -> Field:
    return FlowEngine().flows([(first, second)])[0]


@on_cpu
def test_neither_batch_nor_threads_change_a_flow(two_threads: None) -> None:
    together = FlowEngine().flows(PAIRS)
    backwards = FlowEngine().flows(PAIRS[::-1])[::-1]
    cv2.setNumThreads(1)
    for i, pair in enumerate(PAIRS):
        alone = flow(*pair)
        np.testing.assert_array_equal(together[i], alone)
        np.testing.assert_array_equal(backwards[i], alone)


@on_cpu
def test_several_threads_may_share_an_engine() -> None:
    engine = FlowEngine()
    alone = engine.flows(PAIRS)
    found: dict[int, list[Field]] = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: engine.flows(PAIRS)}))  # type: ignore[misc]
        for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fields in found.values():
        np.testing.assert_array_equal(fields, alone)
    assert len(found) == 3


def test_nothing_asked_nothing_given() -> None:
    assert FlowEngine().flows([]) == []


@pytest.mark.parametrize("shape", [(16, 16), (32, 32), (33, 57), (300, 41), (240, 320)])
def test_any_size(shape: tuple[int, int]) -> None:
    found = flow(*portrait_pair(*shape))
    assert found.shape == (*shape, 2)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_pictures_of_4k() -> None:
    picture = cv2.resize(portrait_pair(135, 240)[0], (3840, 2160))
    found = flow(picture, picture)
    assert found.shape == (2160, 3840, 2)
    assert not found.any()


def test_floats_are_grey_values_too() -> None:
    first, second = PAIRS[2]
    expected = flow(first, second)
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(flow(first.astype(kind), second.astype(kind)), expected)


def test_how_a_picture_lies_in_memory_does_not_matter() -> None:
    first, second = PAIRS[2]
    expected = flow(first, second)
    spread = np.zeros((2 * first.shape[0], 3 * first.shape[1]), np.uint8)
    spread[::2, ::3] = first
    np.testing.assert_array_equal(flow(spread[::2, ::3], np.asfortranarray(second)), expected)
    turned = np.ascontiguousarray(first[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_array_equal(flow(turned, second), expected)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_constant_pictures_do_not_move(level: int) -> None:
    plain = np.full((40, 33), level, np.uint8)
    assert not flow(plain, plain).any()
    assert not flow(plain, 255 - plain).any()  # a change of light alone has no direction


def test_equal_pictures_do_not_move() -> None:
    assert not flow(PAIRS[1][0], PAIRS[1][0]).any()


def test_the_margin_keeps_motion_at_the_border() -> None:
    image = portrait_pair()[1]
    found = flow(image[10:100, 10:110], image[8:98, 10:110])  # everything moves down
    edge = np.concatenate([found[:4].reshape(-1, 2), found[-4:].reshape(-1, 2)])
    assert distance(np.median(edge, axis=0)[None, None], np.array([[[0, 2]]])) < 0.3
    assert MARGIN > 4


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), "(32, 32, 3)"),
        (np.zeros(32, np.uint8), np.zeros(32, np.uint8), "(32,)"),
        (np.zeros((32, 40), np.uint8), np.zeros((48, 40), np.uint8), "40×32 and 40×48"),
        (np.zeros((15, 64), np.uint8), np.zeros((15, 64), np.uint8), "64×15"),
        (np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8), "0×0"),
        (np.zeros((32, 32), np.int64), np.zeros((32, 32), np.int64), "int64"),
        (np.zeros((32, 32)), np.full((32, 32), np.nan), "NaN"),
        (np.full((32, 32), np.inf), np.zeros((32, 32)), "0 to 255"),
        (np.full((32, 32), -1.0), np.zeros((32, 32)), "0 to 255"),
    ],
)
def test_refuses_what_has_no_flow(first: Image, second: Image, found: str) -> None:
    with raises("invalid", found):
        flow(first, second)


def test_features_of_a_filmed_face_are_those_of_opencv_s_flow(shared: Path) -> None:
    """2 of 255 grey levels apart on average, about as far as OpenCV's are after 1e-5 grey levels of noise."""
    apart = []
    for first, second in filmed_pairs(shared):
        wide = [cv2.copyMakeBorder(p, *[MARGIN] * 4, cv2.BORDER_REFLECT_101) for p in (first, second)]
        theirs = opencv(*wide)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        features = [to_feature(field, strain(field)).astype(int) for field in (flow(first, second), theirs)]
        apart.append(np.abs(features[0] - features[1]))
    assert np.mean(apart) < 3
    assert (np.array(apart) <= 8).mean() > 0.93


def test_refuses_a_batch_of_several_sizes() -> None:
    with raises("invalid", "104×96 and 128×128"):
        FlowEngine().flows([PAIRS[0], portrait_pair()])


def test_strain_of_a_rotation_is_nothing_and_of_a_stretch_its_rate() -> None:
    y, x = np.mgrid[:20, :30].astype(np.float32)
    assert np.abs(strain(np.dstack([-0.1 * y, 0.1 * x]))).max() < 1e-6
    np.testing.assert_allclose(strain(np.dstack([0.1 * x, 0 * y])), 0.1, rtol=1e-4)


# --- a GPU that is of no use


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    """A machine whose driver reports a GPU; its torch can do nothing with one."""
    monkeypatch.setattr(engines, "gpu_count", lambda: 1)
    engines._trial.cache_clear()
    yield
    engines._trial.cache_clear()


@on_cpu
def test_a_gpu_that_torch_cannot_use_is_said_and_the_processor_computes(driver, caplog) -> None:
    engine = FlowEngine()
    found = engine.flows(PAIRS[:1])
    assert engine.device == "cpu"
    assert engine.problem.startswith("the optical flow is computed on the CPU: torch cannot use the GPU")
    assert [record.message for record in caplog.records] == [engine.problem]
    np.testing.assert_array_equal(found[0], FlowEngine().flows(PAIRS[:1])[0])
    assert len(caplog.records) == 1, "it is tried once"


@on_cpu
def test_a_gpu_that_fails_later_does_not_cost_the_session(driver, monkeypatch, caplog) -> None:
    on_gpu = iter([lambda pairs: [np.zeros((16, 16, 2), np.float32)]])

    def once(pairs):
        try:
            return next(on_gpu)(pairs)
        except StopIteration:
            raise RuntimeError("CUDA out of memory. Tried to allocate\nmore") from None

    monkeypatch.setattr(engines, "_on_gpu", once)
    engine = FlowEngine()
    assert engine.device == "cuda"
    assert engine.problem == ""
    found = engine.flows(PAIRS[:1])
    assert engine.device == "cpu"
    assert engine.problem.endswith("torch cannot use the GPU (CUDA out of memory. Tried to allocate)")
    monkeypatch.setattr(engines, "gpu_count", lambda: 0)
    engines._trial.cache_clear()
    np.testing.assert_array_equal(found[0], FlowEngine().flows(PAIRS[:1])[0])


@on_cpu
def test_a_session_tells_of_a_gpu_that_is_not_used(driver, short_clip, settings) -> None:
    session = Session.replay(short_clip, settings)
    assert len(list(session)) == 1
    assert any("torch cannot use the GPU" in warning for warning in session.warnings)
