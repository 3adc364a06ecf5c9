"""Dual TV-L1 optical flow in torch: many pairs at once, on the CPU or a GPU.

The method is that of Zach, Pock and Bischof (2007, DOI 10.1007/978-3-540-74936-3_22), with the warps and
the stopping rule described by Sánchez, Meinhardt-Llopis and Facciolo (2013, DOI 10.5201/ipol.2013.26). The
details follow ``cv2.optflow.DualTVL1OpticalFlow`` of OpenCV 4.11, so that both flows are
interchangeable. The sum of λ·|I₁(x + u) − I₀(x)| + |∇u| over all pixels is minimised, coarse to fine, in
alternating steps: a pointwise step towards the data, then one step of the dual problem that smooths.

How close: rounding to 1/32 px and stopping on a threshold amplify the last bits of float32, so that OpenCV,
given 1e-5 grey levels of noise, agrees with itself to 0.1 px on 99 % of the pixels of a face pair (nearly all
that differ lie within 8 px of the border). This module agrees with it as well as that.

A sample's flow does not depend on the other samples of its batch: each one stops on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from recognizer.flow.cuda_graphs import Capture, Loop, Notice, PinnedNotice, cuda_graph
from recognizer.flow.parameters import DEFAULTS, Parameters

SMALLEST = 16
"""Shortest side of a pyramid level, pixels."""


class Problem(NamedTuple):
    """Inputs of an iteration: every sample's problem, linearised around the flow of the last warp."""

    constant: Tensor
    """(N, 1, H, W) float32: residual(u) = constant + gradient · u, in grey levels."""
    gradient: Tensor
    """(N, 2, H, W) float32: gradient of the warped second image."""
    inverse_square: Tensor
    """(N, 1, H, W) float32: 1 / |gradient|²."""


class Solution(NamedTuple):
    """Variables that an iteration improves."""

    flow: Tensor
    """(N, 2, H, W) float32."""
    dual: Tensor
    """(N, 2, 2, H, W) float32: for u and for v, a vector per pixel."""
    running: Tensor
    """(N, 1, 1, 1) bool: False for a sample that has stopped and stays as it is."""


def tvl1(first: Tensor, second: Tensor, config: Parameters = DEFAULTS) -> Tensor:
    """Flow from ``first`` to ``second``: ``second(x + u, y + v)`` looks like ``first(x, y)``.

    Both images: (N, H, W), uint8 or float32, grey values 0–255, on the same device.
    Returns (N, 2, H, W) float32: u (to the right) and v (down) in pixels. Not differentiable.
    Raises ValueError for other shapes or types, sides below 16 pixels and values that are not finite.
    """
    check(first, second)
    with torch.inference_mode():
        levels = pyramid(torch.stack([first, second], dim=1).float(), config)
        flow = torch.zeros_like(levels[-1])
        for level in reversed(levels):
            if flow.shape != level.shape:
                flow = resize(flow, level.shape[-2:]) / config.scale_step
            flow = refine(level[:, 0], level[:, 1], flow, config)
    return flow.clone()  # made outside inference mode: an ordinary tensor that a network can train on


def check(first: Tensor, second: Tensor) -> None:
    """Raises ValueError unless both are (N, H, W) images that `tvl1` can use."""
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(
            f"two (N, H, W) images of one shape expected, not {(*first.shape,)}, {(*second.shape,)}"
        )
    if min(first.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"images of at least {SMALLEST}×{SMALLEST} pixels expected, not {(*first.shape[-2:],)}"
        )
    for image in (first, second):
        if image.dtype not in (torch.uint8, torch.float32):
            raise ValueError(f"uint8 or float32 images expected, not {image.dtype}")
        if not image.isfinite().all():
            raise ValueError("the images must be finite: found NaN or infinity")


def pyramid(images: Tensor, config: Parameters) -> list[Tensor]:
    """Both images (N, 2, H, W) at every scale, the finest first."""
    levels = [images]
    while len(levels) < config.scales:
        size = [round(side * config.scale_step) for side in levels[-1].shape[-2:]]
        if min(size) < SMALLEST:
            break
        levels.append(resize(levels[-1], size, 1 / config.scale_step))
    return levels


def resize(x: Tensor, size: list[int] | torch.Size, step: float | None = None) -> Tensor:
    """Bilinear (N, C, H, W) → (N, C, *size), pixel centres at halves, no smoothing, edges repeated.

    ``step``: input pixels per output pixel. The pyramid passes it because rounding the size would stretch the
    image; without it, the images' extents are matched.
    """
    for axis, length in zip((-2, -1), size, strict=True):
        last = x.shape[axis] - 1
        at = (torch.arange(length, device=x.device) + 0.5) * (step or x.shape[axis] / length) - 0.5
        at = at.clamp(0, last)
        low = at.long()
        weight = (at - low).reshape(-1, 1) if axis == -2 else at - low
        x = (
            x.index_select(axis, low) * (1 - weight)
            + x.index_select(axis, (low + 1).clamp_max(last)) * weight
        )
    return x


def refine(first: Tensor, second: Tensor, flow: Tensor, config: Parameters) -> Tensor:
    """One scale: improves ``flow`` (N, 2, H, W) between two images (N, H, W)."""
    sources = torch.cat([second.unsqueeze(1), centred_gradient(second)], dim=1)
    dual = flow.new_zeros(*flow.shape[:2], 2, *flow.shape[2:])
    for _ in range(config.warps):
        warped = warp(sources, flow)
        gradient = warped[:, 1:]
        # The second image is linear around this flow: residual(u) = constant + gradient · u.
        constant = warped[:, 0] - first - (gradient * flow).sum(dim=1)
        flow, dual = minimise(constant.unsqueeze(1), gradient, flow, dual, config)
    return flow


def minimise(
    constant: Tensor, gradient: Tensor, flow: Tensor, dual: Tensor, config: Parameters
) -> tuple[Tensor, Tensor]:
    """Iterates on one linearised problem until every sample has stopped: the new flow and dual variables.

    Shapes: see `Problem` and `Solution`.
    """
    square = gradient.square().sum(dim=1, keepdim=True)
    problem = Problem(constant, gradient, 1 / square.clamp_min(torch.finfo(flow.dtype).eps))
    running = torch.ones(flow.shape[0], 1, 1, 1, dtype=torch.bool, device=flow.device)
    solve = solve_in_graph if flow.is_cuda and len(flow) else solve_step_by_step
    return solve(problem, Solution(flow, dual, running), config)[:2]


def solve_step_by_step(problem: Problem, solution: Solution, config: Parameters) -> Solution:
    """Where checking is free: ends with the iteration in which the last sample stops."""
    for _ in range(config.outer_iterations):
        solution = block(problem, solution, config, asks=True)
    return solution


def solve_in_graph(problem: Problem, solution: Solution, config: Parameters) -> Solution:
    """On a GPU: the same result, in blocks launched as a whole."""
    number, _, height, width = solution.flow.shape
    with torch.cuda.device(solution.flow.device):
        loop = loop_of_blocks(number, height, width, solution.flow.device, config)
        return Solution(*loop(*problem, *solution))


@lru_cache(maxsize=20)
def loop_of_blocks(
    number: int,
    height: int,
    width: int,
    device: torch.device,
    config: Parameters,
    capture: Capture = cuda_graph,
    notice: Callable[[Tensor], Notice] = PinnedNotice,
) -> Loop:
    """A block of iterations for ``number`` samples of one size, and its buffers; those of 20 sizes are kept.

    A call needs five, one per scale. ``capture`` and ``notice`` are the GPU's; tests without one replace
    them.
    """

    def plane(*channels: int) -> Tensor:
        return torch.zeros(number, *channels, height, width, device=device)

    problem = Problem(plane(1), plane(2), plane(1))
    running = torch.zeros(number, 1, 1, 1, dtype=torch.bool, device=device)
    solution = Solution(plane(2), plane(2, 2), running)
    any_running = running.any()

    def work() -> None:
        for buffer, value in zip(solution, block(problem, solution, config, asks=False), strict=True):
            buffer.copy_(value)
        any_running.copy_(running.any())

    notices = [notice(any_running) for _ in range(config.outer_iterations)]
    return Loop(problem, solution, work, capture, notices)


def block(problem: Problem, solution: Solution, config: Parameters, asks: bool) -> Solution:
    """One outer iteration: the median filter, then the inner iterations.

    ``asks``: whether to end early when all samples have stopped, which stalls a GPU. The result is the same:
    masks freeze a sample that has stopped.
    """
    for iteration in range(config.inner_iterations):
        if asks and not solution.running.any():
            break
        if iteration == 0 and config.median > 1:
            flow, _, running = solution
            solution = solution._replace(flow=torch.where(running, median(flow, config.median), flow))
        solution = iterate(problem, solution, config)
    return solution


def iterate(problem: Problem, solution: Solution, config: Parameters) -> Solution:
    """One inner iteration of every sample that is running: towards the data, then smoother."""
    constant, gradient, inverse_square = problem
    flow, dual, running = solution
    threshold = config.lambda_ * config.theta
    step = config.tau / config.theta
    tolerance = config.epsilon**2 * flow.shape[-2] * flow.shape[-1]

    residual = constant + (gradient * flow).sum(dim=1, keepdim=True)
    towards_data = flow + gradient * (-residual * inverse_square).clamp(-threshold, threshold)
    smoothed = torch.where(running, towards_data + config.theta * divergence(dual), flow)
    # float64: the order of summation, which varies with the batch, must not decide who stops.
    change = (smoothed - flow).square().sum(dim=(1, 2, 3), keepdim=True, dtype=torch.float64)
    slope = forward_gradient(smoothed)
    norm = slope.square().sum(dim=2, keepdim=True).sqrt()
    dual = torch.where(running.unsqueeze(-1), (dual + step * slope) / (1 + step * norm), dual)
    return Solution(smoothed, dual, running & (change > tolerance))


def centred_gradient(image: Tensor) -> Tensor:
    """Half the difference of both neighbours, edges repeated: (N, H, W) → (N, 2, H, W), d/dx and d/dy."""
    x = F.pad(image.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    return 0.5 * torch.cat(
        [x[..., 1:-1, 2:] - x[..., 1:-1, :-2], x[..., 2:, 1:-1] - x[..., :-2, 1:-1]], dim=1
    )


def forward_gradient(x: Tensor) -> Tensor:
    """Next pixel minus this one, 0 at the last: (N, 2, H, W) → (N, 2, 2, H, W), d/dx and d/dy on axis 2."""
    slope = x.new_zeros(*x.shape[:2], 2, *x.shape[2:])
    torch.sub(x[..., :, 1:], x[..., :, :-1], out=slope[:, :, 0, :, :-1])
    torch.sub(x[..., 1:, :], x[..., :-1, :], out=slope[:, :, 1, :-1, :])
    return slope


def divergence(p: Tensor) -> Tensor:
    """The negative adjoint of `forward_gradient`, (N, 2, 2, H, W) → (N, 2, H, W): backward differences."""
    total = p[:, :, 0] + p[:, :, 1]
    total[..., :, 1:] -= p[:, :, 0, :, :-1]
    total[..., 1:, :] -= p[:, :, 1, :-1, :]
    return total


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Cubic (a = −0.75) samples of (N, C, H, W) at pixels moved by the flow (N, 2, H, W); outside is 0."""
    height, width = flow.shape[-2:]
    u, v = flow.unbind(dim=1)
    x = torch.arange(width, device=flow.device) + u
    y = torch.arange(height, device=flow.device).unsqueeze(1) + v
    # OpenCV 4's remap reads its coordinates to 1/32 pixel. In a square whose side is a power of two,
    # grid_sample's units (−1 to 1) represent such coordinates exactly: a warp by zero changes nothing.
    side = 1 << (max(height, width) - 1).bit_length()
    square = F.pad(images, (0, side - width, 0, side - height))
    grid = (2 * (torch.stack([x, y], dim=-1) * 32).round() / 32 + 1) / side - 1
    return F.grid_sample(square, grid, mode="bicubic", padding_mode="zeros", align_corners=False)


def median(x: Tensor, side: int) -> Tensor:
    """Median of the ``side``×``side`` pixels around each one, edges repeated: (N, C, H, W) → the same.

    Whole images are compared and swapped instead of sorting each window: several times faster than
    ``torch.median``. Neighbouring windows share their columns, so columns are sorted first, once.
    """
    height, width = x.shape[-2:]
    padded = F.pad(x, (side // 2,) * 4, mode="replicate")
    columns = torch.stack(settle([padded[..., i : i + height, :] for i in range(side)], side - 1))
    square = settle([columns[..., j : j + width] for j in range(side)], side - 1)
    # The window now ascends along both sides: the value at (i, j) has (i + 1)(j + 1) − 1 others that are not
    # greater and (side − i)(side − j) − 1 not smaller. Values with too many on one side cannot be the median.
    middle = side * side // 2 + 1
    left = [
        square[j][i]
        for i in range(side)
        for j in range(side)
        if (i + 1) * (j + 1) <= middle and (side - i) * (side - j) <= middle
    ]
    return settle(left, len(left) // 2 + 1)[len(left) // 2]


def settle(values: list[Tensor], passes: int) -> list[Tensor]:
    """Bubble sort of tensors, element by element: after k passes the k greatest are in order at the end."""
    values = list(values)
    for done in range(passes):
        for i in range(len(values) - 1 - done):
            a, b = values[i], values[i + 1]
            values[i], values[i + 1] = torch.minimum(a, b), torch.maximum(a, b)
    return values
