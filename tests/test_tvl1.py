"""TV-L1 in torch: it does what OpenCV does, finds true motion, and keeps the samples of a batch apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from flow_pairs import (
    Field,
    Image,
    assert_equal_enough,
    distance,
    filmed_pairs,
    opencv,
    portrait_pair,
    smooth_field,
)
from hypothesis import given
from hypothesis import strategies as st

import recognizer.flow.tvl1_gpu
from recognizer.flow.cuda_graphs import Work, repeat
from recognizer.flow.parameters import DEFAULTS, Parameters
from recognizer.flow.tvl1_gpu import Problem, Solution, loop_of_blocks, median, tvl1


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small images gain nothing from threads, and on a busy machine threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ours(first: Image, second: Image, config: Parameters = DEFAULTS) -> Field:
    """(H, W, 2), as OpenCV returns it."""
    flow = tvl1(torch.from_numpy(first)[None], torch.from_numpy(second)[None], config)
    return flow[0].permute(1, 2, 0).numpy()


def batch(pairs: list[tuple[Image, Image]]) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(first)), torch.from_numpy(np.stack(second))


VARIED = [portrait_pair(40, 48, pixels, seed) for seed, pixels in enumerate((0.0, 0.3, 1.0, 4.0))]
"""Pairs that need different numbers of iterations."""


@pytest.mark.parametrize(
    "config",
    [
        Parameters(scales=1),
        Parameters(warps=1),
        Parameters(warps=1, median=3),
        Parameters(warps=1, median=1, outer_iterations=3, inner_iterations=7, epsilon=0.0),
        Parameters(warps=1, tau=0.2, lambda_=0.1, theta=0.4, scale_step=0.6),
    ],
    ids=str,
)
def test_few_warps_equal_opencv(config: Parameters) -> None:
    # With few warps in a row the last bits are not yet amplified: any detail that differs shows.
    first, second = portrait_pair(97, 131)
    off = distance(ours(first, second, config), opencv(first, second, config))
    assert (off < 0.01).mean() > 0.999
    assert off.max() < 0.1


def test_moved_portraits_equal_opencv() -> None:
    assert_equal_enough(ours, [portrait_pair(128, 128, pixels) for pixels in (0.5, 1.0, 3.0)])


def test_odd_sizes_equal_opencv() -> None:
    sizes = [(97, 131), (131, 97), (83, 64), (20, 50), (17, 19)]
    pairs = [portrait_pair(height, width, 0.7) for height, width in sizes]
    assert_equal_enough(ours, pairs, least=0.96)  # most of a small image is near its border


def test_video_of_a_face_equals_opencv(shared: Path) -> None:
    assert_equal_enough(ours, filmed_pairs(shared))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_true_motion(seed: int) -> None:
    truth = smooth_field(128, 128, 1.0, seed)
    first, second = portrait_pair(128, 128, 1.0, seed)
    inside = (slice(4, -4), slice(4, -4))  # at the very edge the first image had to be made up
    error = distance(ours(first, second), truth)[inside].mean()
    assert error < 0.08  # mean end-point error in pixels
    assert error < distance(opencv(first, second), truth)[inside].mean() + 0.01


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, 2)])
def test_axes_and_signs(dx: int, dy: int) -> None:
    image = portrait_pair()[1]
    first, second = image[10:100, 10:110], image[10 - dy : 100 - dy, 10 - dx : 110 - dx]  # moves right, down
    flow = tvl1(*batch([(first, second)]))
    assert flow.shape == (1, 2, 90, 100)
    assert flow.dtype == torch.float32
    assert flow.mean(dim=(0, 2, 3)).numpy() == pytest.approx([dx, dy], abs=0.15)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    together = tvl1(*batch(VARIED))
    for i, pair in enumerate(VARIED):
        assert torch.equal(together[i], tvl1(*batch([pair]))[0])


def test_order_of_the_batch_does_not_matter() -> None:
    order = torch.tensor([2, 0, 3, 1])
    first, second = batch(VARIED)
    assert torch.equal(tvl1(first[order], second[order]), tvl1(first, second)[order])


def test_bytes_and_floats_are_the_same() -> None:
    first, second = batch(VARIED[:2])
    assert torch.equal(tvl1(first, second), tvl1(first.float(), second.float()))


def test_layout_in_memory_does_not_matter() -> None:
    first, second = batch(VARIED[:2])
    expected = tvl1(first, second)
    pairs_last = torch.stack([first, second], dim=-1)  # as sliced from interleaved images
    assert not pairs_last[..., 0].is_contiguous()
    assert torch.equal(tvl1(pairs_last[..., 0], pairs_last[..., 1]), expected)
    columns = [image.transpose(1, 2).contiguous().transpose(1, 2) for image in (first, second)]
    assert torch.equal(tvl1(*columns), expected)


def test_a_large_picture_keeps_true_motion() -> None:
    # The grid of the warp covers a square of 2048 px. One scale and one warp keep it cheap.
    small = portrait_pair(75, 138, 0.0)[0]
    picture = cv2.resize(small, (1101, 600), interpolation=cv2.INTER_CUBIC)
    first, second = picture[:, 1:], picture[:, :-1]  # moves right by a pixel
    config = Parameters(scales=1, warps=1, outer_iterations=1, inner_iterations=5)
    flow = tvl1(*batch([(first, second)]), config)
    assert flow.shape == (1, 2, 600, 1100)
    assert flow.isfinite().all()
    textured = np.abs(cv2.Sobel(first, cv2.CV_32F, 1, 0)) > 40
    assert flow[0, 0].numpy()[textured].mean() == pytest.approx(1, abs=0.3)
    assert flow[..., -64:, -64:].abs().max() < 3


class Slow:
    """A notice without a GPU: arrives when it was asked for ``questions`` times, or is waited for."""

    def __init__(self, running: torch.Tensor, questions: int) -> None:
        self.running, self.questions = running, questions

    def send(self) -> None:
        self.left, self.flag = self.questions, bool(self.running)

    def stopped(self, wait: bool) -> bool:
        arrived = wait or self.left == 0
        self.left -= 1
        return arrived and not self.flag


@given(needed=st.integers(1, 12), times=st.integers(1, 10), ahead=st.integers(0, 12), late=st.integers(0, 3))
def test_repeats_as_often_as_needed_and_little_more(needed: int, times: int, ahead: int, late: int) -> None:
    running = torch.tensor(True)
    done = []

    def work() -> None:
        done.append(True)
        running.fill_(len(done) < needed)

    assert repeat(work, [Slow(running, late) for _ in range(times)], ahead) == len(done)
    assert min(needed, times) <= len(done) <= min(needed + ahead, times)
    if late == 0:
        assert len(done) == min(needed, times)


def done_at_once(work: Work) -> Work:
    """Stands in for a graph: warms up as `cuda_graph` does, and then does the work itself."""
    work()
    return work


@pytest.mark.parametrize("late", [0, 1, 99])
def test_blocks_in_place_equal_step_by_step(monkeypatch: pytest.MonkeyPatch, late: int) -> None:
    # All that runs on a GPU except the recording of the graph and the copying of its flag.
    default, other = Parameters(scales=2, warps=3), Parameters(median=1, epsilon=0.002, scales=2, warps=3)
    expected = [tvl1(*batch(VARIED), default), tvl1(*batch(VARIED[1:2]), other)]
    loops = []

    def in_blocks(problem: Problem, solution: Solution, config: Parameters) -> Solution:
        number, _, height, width = solution.flow.shape
        loops.append(make(number, height, width, torch.device("cpu"), config))
        return Solution(*loops[-1](*problem, *solution))

    make = partial(loop_of_blocks, capture=done_at_once, notice=slow(late))
    monkeypatch.setattr(recognizer.flow.tvl1_gpu, "solve_step_by_step", in_blocks)
    for _ in range(2):  # the second time with buffers that are not new
        assert torch.equal(tvl1(*batch(VARIED), default), expected[0])
    assert torch.equal(tvl1(*batch(VARIED[1:2]), other), expected[1])
    assert len(loops) == 3 * 2 * 3
    assert len(set(map(id, loops))) == 4  # one a scale and batch, not one a warp


def slow(questions: int) -> Callable[[torch.Tensor], Slow]:
    return lambda running: Slow(running, questions)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_images_do_not_move(level: int) -> None:
    first = torch.full((2, 40, 33), level, dtype=torch.uint8)
    assert not tvl1(first, first).any()
    assert not tvl1(first, 255 - first).any()  # a change of light alone has no direction


def test_equal_images_do_not_move() -> None:
    image = torch.from_numpy(portrait_pair(64, 64)[0])[None]
    assert not tvl1(image, image).any()


def test_an_empty_batch_gives_an_empty_flow() -> None:
    assert tvl1(torch.zeros(0, 32, 40), torch.zeros(0, 32, 40)).shape == (0, 2, 32, 40)


def test_a_network_can_train_on_the_flow() -> None:
    layer = torch.nn.Conv2d(2, 1, 3)
    layer(tvl1(*batch(VARIED[:1]))).sum().backward()  # refused if the flow were an inference tensor
    assert layer.weight.grad is not None


@pytest.mark.parametrize("side", [3, 5])
def test_median_equals_opencv(side: int) -> None:
    image = np.random.default_rng(0).standard_normal((23, 31)).astype(np.float32)
    found = median(torch.from_numpy(image)[None, None], side)[0, 0].numpy()
    np.testing.assert_array_equal(found, cv2.medianBlur(image, side))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (torch.zeros(1, 32, 32), torch.zeros(1, 32, 33), "one shape"),
        (torch.zeros(1, 32, 32), torch.zeros(2, 32, 32), "one shape"),
        (torch.zeros(32, 32), torch.zeros(32, 32), r"\(N, H, W\)"),
        (torch.zeros(1, 15, 32), torch.zeros(1, 15, 32), "16×16"),
        (torch.zeros(1, 32, 15), torch.zeros(1, 32, 15), "16×16"),
        (torch.zeros(1, 32, 32), torch.full((1, 32, 32), torch.nan), "NaN"),
        (torch.full((1, 32, 32), torch.inf), torch.zeros(1, 32, 32), "infinity"),
        (torch.zeros(1, 32, 32).double(), torch.zeros(1, 32, 32), "float64"),
    ],
)
def test_refuses_what_it_cannot_take(first: torch.Tensor, second: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tvl1(first, second)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_gpu_equals_cpu() -> None:
    pairs = [portrait_pair(128, 128, pixels, seed) for seed, pixels in enumerate((0.3, 1.0, 3.0))]
    first, second = batch(pairs)
    on_gpu = tvl1(first.cuda(), second.cuda())
    assert on_gpu.device.type == "cuda"
    off = (on_gpu.cpu() - tvl1(first, second)).norm(dim=1)
    assert (off < 0.1).float().mean() >= 0.98
    alone = tvl1(first[1:2].cuda(), second[1:2].cuda())
    assert torch.equal(alone[0], on_gpu[1])
    turned = tvl1(second.cuda(), first.cuda())  # other values in the buffers of the first call
    assert not torch.equal(turned, on_gpu)
    assert torch.equal(tvl1(first.cuda(), second.cuda()), on_gpu)
