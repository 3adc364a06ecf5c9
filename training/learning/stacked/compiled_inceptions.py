"""The bi-Inceptions of ``learning.stacked.model`` on a CPU, one network after the other.

Here each is a stack of its own, (N, H, W, C) contiguous: small enough to stay in the cache, and without
groups, which make a convolution slower. Convolutions are torch's; what lies between them is compiled
(``learning.stacked.compiled_layers``) and reads and writes their number format: no conversion, no
concatenation. Gradients are written by hand: a forward step returns its result and its backward
function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from training.learning.stacked import compiled_layers as layers
from training.learning.stacked.compiled_pool import pool3, pool3_back
from training.learning.stacked.layers import EPS, Gradients

Vector = npt.NDArray[np.float64]
"""One value per channel; two such rows are mean and variance."""
Places = npt.NDArray[Any]
"""(N·H, W, C), bfloat16 as uint16."""
Gradient = Tensor | Vector
"""Of a kernel, or of one value per channel."""
Back = Callable[[Places], list[Gradient]]
"""Gradient of a step's output → gradients of its weights."""
Through = Callable[[Places], tuple[Tensor, list[Gradient]]]
"""The same, and the gradient of its input before them."""


class Layer(NamedTuple):
    """A convolution and its batch norm, of one network."""

    kernel: Tensor
    """(outputs, inputs, k, k′), of the activations' type."""
    gamma: npt.NDArray[np.float32]
    beta: npt.NDArray[np.float32]


class Reader(NamedTuple):
    """A 1×1 convolution of the inputs, with its batch norm folded in."""

    kernel: Tensor
    """(2·outputs, 2·inputs, 1, 1), of the activations' type."""
    bias: Tensor
    """(2·outputs)."""


# --------------------------------------------------------------------------- the blocks


def first_block(
    values: Tensor, pooled: Tensor, weights: Sequence[Tensor]
) -> tuple[Tensor, list[list[Vector]]]:
    """(B, N, 28, 14, 2·3) twice → (B, N, 14, 14, 4·width), and each network's moments of two batch norms.

    ``weights``, (B, …) each: kernel and bias of branch1, branch3.0, branch5.0 and pooled.1, with their batch
    norms folded in; kernel, γ and β of branch3.1 and branch5.1. Kernels are for paired columns, the rest
    for single ones. Moments are (2, C): mean and variance.
    """
    moments: list[list[Vector]] = []
    out: Tensor = _FirstBlock.apply(moments, values, pooled, *weights)  # type: ignore[no-untyped-call]
    return out, moments


class _FirstBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, moments: list[list[Vector]], values: Tensor, pooled: Tensor, *weights: Tensor
    ) -> Tensor:
        width = weights[1].shape[1]
        out = values.new_empty(*values.shape[:2], 14, 14, 4 * width)
        ctx.ways = []
        parts = zip(
            out, values, pooled, _readers(weights[:8], values), _layers(weights[8:], values), strict=True
        )
        for target, x, x_pooled, (r1, r3, r5, rp), (l3, l5) in parts:
            places = _places(target)
            third, way3 = _linear_relu(x, r3)
            fifth, way5 = _linear_relu(x, r5)
            found3, way31 = _convolve_pool(third, l3, places, width)
            found5, way51 = _convolve_pool(fifth, l5, places, 2 * width)
            way1 = _linear_pool_relu(x, r1, places, 0)
            way = _linear_pool_relu(x_pooled, rp, places, 3 * width)
            moments.append([found3, found5])
            ctx.ways.append((way1, way3, way5, way, way31, way51))
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dout: Tensor) -> Gradients:
        gradients = []
        for (way1, way3, way5, way, way31, way51), part in zip(ctx.ways, dout.contiguous(), strict=True):
            places = _places(part)
            dthird, rest3 = way31(places)
            dfifth, rest5 = way51(places)
            reading = [*way1(places), *way3(_places(dthird)), *way5(_places(dfifth)), *way(places)]
            gradients.append([*reading, *rest3, *rest5])
        ctx.ways.clear()  # releases what the forward pass kept
        return None, None, None, *_stacked(gradients)


def second_block(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, list[list[Vector]]]:
    """(B, N, 14, 14, C) → (B, N, 7, 7, 8·width) float32, and each network's moments of six batch norms.

    ``weights``, (B, …) each: kernel, γ and β of branch1, branch3.0, branch5.0, branch3.1, branch5.1 and
    pooled.1. Moments as of ``first_block``.
    """
    moments: list[list[Vector]] = []
    out: Tensor = _SecondBlock.apply(moments, x, *weights)  # type: ignore[no-untyped-call]
    return out, moments


class _SecondBlock(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, moments: list[list[Vector]], inputs: Tensor, *weights: Tensor) -> Tensor:
        width = weights[1].shape[1]
        out = inputs.new_empty(*inputs.shape[:2], 7, 7, 4 * width, dtype=torch.float32)
        ctx.ways = []
        parts = zip(out, inputs, _layers(weights, inputs), strict=True)
        for target, x, (l1, l30, l50, l31, l51, lp) in parts:
            places = _places(target)
            pooled, way_pool = _pool3(x)
            found1, way1 = _convolve_pool(x, l1, places, 0)
            third, found30, way30 = _convolve_relu(x, l30)
            fifth, found50, way50 = _convolve_relu(x, l50)
            found31, way31 = _convolve_pool(third, l31, places, width)
            found51, way51 = _convolve_pool(fifth, l51, places, 2 * width)
            found, way = _convolve_pool(pooled, lp, places, 3 * width)
            moments.append([found1, found30, found50, found31, found51, found])
            ctx.ways.append((way1, way30, way50, way31, way51, way, way_pool))
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dout: Tensor) -> Gradients:
        dx, gradients = [], []
        for ways, part in zip(ctx.ways, dout.contiguous(), strict=True):
            way1, way30, way50, way31, way51, way, way_pool = ways
            places = _places(part)
            dthird, rest31 = way31(places)
            dfifth, rest51 = way51(places)
            dpooled, last = way(places)
            d1, rest1 = way1(places)
            d3, rest3 = way30(_places(dthird))
            d5, rest5 = way50(_places(dfifth))
            dx.append(way_pool(dpooled, d1, d3, d5))
            gradients.append([*rest1, *rest3, *rest5, *rest31, *rest51, *last])
        ctx.ways.clear()
        return None, torch.stack(dx), *_stacked(gradients)


def _readers(weights: Sequence[Tensor], like: Tensor) -> Iterator[list[Reader]]:
    """Network by network, with the type of ``like``."""
    doubled = (weight if k % 2 == 0 else weight.repeat(1, 2) for k, weight in enumerate(weights))
    for parts in zip(*(weight.to(like.dtype) for weight in doubled), strict=True):
        yield [Reader(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def _layers(weights: Sequence[Tensor], like: Tensor) -> Iterator[list[Layer]]:
    """Network by network, kernels with the type of ``like``."""
    kernels = zip(*(kernel.to(like.dtype) for kernel in weights[::3]), strict=True)
    norms = (zip(*(part.numpy() for part in weights[k::3]), strict=True) for k in (1, 2))
    for parts in zip(kernels, *norms, strict=True):
        yield [Layer(*part) for part in zip(*parts, strict=True)]


def _stacked(gradients: list[list[Gradient]]) -> Iterator[Tensor]:
    """Gradients of each weight, for all networks."""
    for parts in zip(*gradients, strict=True):
        tensors = [part if isinstance(part, Tensor) else torch.from_numpy(part) for part in parts]
        yield torch.stack(tensors).float()


# --------------------------------------------------------------------------- steps of one network


def _linear_relu(x: Tensor, reader: Reader) -> tuple[Tensor, Back]:
    """Convolution and ReLU: (N, H, W, outputs)."""
    z = _convolve(x, *reader).relu_()
    same = _same(len(reader.bias) // 2)

    def back(dz: Places) -> list[Gradient]:
        dy = torch.empty_like(z)
        sums = layers.relu_back(_lines(z), *same, dz.reshape(len(dz), -1), _lines(dy))
        return [_gradients(dy, x, reader.kernel, (False, True))[1], sums[0]]

    return z, back


def _linear_pool_relu(x: Tensor, reader: Reader, out: Places, first: int) -> Back:
    """Convolution, 2×2 max-pool and ReLU into the channels of ``out`` from ``first`` on."""
    y = _convolve(x, *reader)
    lines, same = _lines(y), _same(len(reader.bias) // 2)
    layers.pool_relu(lines, *same, out, first)

    def back(dout: Places) -> list[Gradient]:
        dy = torch.empty_like(y)
        sums = layers.pool_relu_back(lines, *same, dout, first, _lines(dy))
        return [_gradients(dy, x, reader.kernel, (False, True))[1], sums[0]]

    return back


def _convolve_pool(x: Tensor, layer: Layer, out: Places, first: int) -> tuple[Vector, Through]:
    """Convolution, batch norm, ReLU and 2×2 max-pool into the channels of ``out`` from ``first`` on."""
    y = _convolve(x, layer.kernel)
    lines = _lines(y)
    moments, scale, shift = _normalisation(lines, layer)
    layers.pool_relu(lines, scale, shift, out, first)

    def back(dout: Places) -> tuple[Tensor, list[Gradient]]:
        dy = torch.empty_like(y)
        dlines = _lines(dy)
        sums = layers.pool_relu_back(lines, scale, shift, dout, first, dlines)
        dgamma, dbeta = layers.through_statistics(dlines, lines, layer.gamma, moments, sums)
        dx, dkernel = _gradients(dy, x, layer.kernel, (True, True))
        return dx, [dkernel, dgamma, dbeta]

    return moments, back


def _convolve_relu(x: Tensor, layer: Layer) -> tuple[Tensor, Vector, Through]:
    """Convolution, batch norm and ReLU: (N, H, W, outputs)."""
    y = _convolve(x, layer.kernel)
    lines, z = _lines(y), torch.empty_like(y)
    moments, scale, shift = _normalisation(lines, layer)
    layers.relu(lines, scale, shift, _lines(z))

    def back(dz: Places) -> tuple[Tensor, list[Gradient]]:
        dy = torch.empty_like(y)
        dlines = _lines(dy)
        sums = layers.relu_back(lines, scale, shift, dz.reshape(len(dz), -1), dlines)
        dgamma, dbeta = layers.through_statistics(dlines, lines, layer.gamma, moments, sums)
        dx, dkernel = _gradients(dy, x, layer.kernel, (True, True))
        return dx, [dkernel, dgamma, dbeta]

    return z, moments, back


def _normalisation(y: layers.Lines, layer: Layer) -> tuple[Vector, layers.Channels, layers.Channels]:
    """Moments, and what batch norm makes of them: y · scale + shift."""
    moments = layers.moments(y, len(layer.gamma))
    scale = layer.gamma / np.sqrt(moments[1] + EPS)
    return moments, tuple(scale.tolist()), tuple((layer.beta - moments[0] * scale).tolist())


def _pool3(x: Tensor) -> tuple[Tensor, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]]:
    """3×3 max-pool of stride 1; its backward function adds the three other gradients of x."""
    n, height, width, channels = x.shape
    out = torch.empty_like(x)
    rows, columns = np.empty((2, n * height, width * channels), np.uint8)
    pool3(_lines(x), height, channels, _lines(out), rows, columns)

    def back(dout: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        dx = torch.empty_like(x)
        others = _lines(a), _lines(b), _lines(c)
        pool3_back(_lines(dout), others, height, channels, rows, columns, _lines(dx))
        return dx

    return out, back


# --------------------------------------------------------------------------- torch and numpy


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, H, W, inputs) → (N, H, W, outputs)."""
    padding = (kernel.shape[2] // 2, kernel.shape[3] // 2)
    y = F.conv2d(x.permute(0, 3, 1, 2), kernel, bias, padding=padding)
    return y.permute(0, 2, 3, 1).contiguous()


def _gradients(dy: Tensor, x: Tensor, kernel: Tensor, wanted: tuple[bool, bool]) -> list[Tensor]:
    """Of x and of the kernel."""
    padding = [kernel.shape[2] // 2, kernel.shape[3] // 2]
    dx, dkernel, _ = torch.ops.aten.convolution_backward(
        dy.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2), kernel, None,
        [1, 1], padding, [1, 1], False, [0, 0], 1, [*wanted, False],
    )  # fmt: skip
    return [dx.permute(0, 2, 3, 1).contiguous() if wanted[0] else dx, dkernel]


def _lines(x: Tensor) -> layers.Lines:
    """(N, H, W, C) → (N·H, W·C)."""
    return _numbers(x).reshape(x.shape[0] * x.shape[1], -1)


def _places(x: Tensor) -> Places:
    """(N, H, W, C) → (N·H, W, C)."""
    return _numbers(x).reshape(-1, *x.shape[2:])


def _numbers(x: Tensor) -> npt.NDArray[Any]:
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def _same(channels: int) -> tuple[layers.Channels, layers.Channels]:
    """Scale and shift that change nothing."""
    return (1.0,) * channels, (0.0,) * channels
