"""The layers of ``learning.stacked.model`` that torch has no fast counterpart for, with their gradients.

All tensors are channels last, (N, H, W, M·copies·C): M models, and C channels each of ``copies`` neighbouring
columns. Whole rows are treated as long vectors, because broadcasting six or twelve numbers at a time is what
makes torch's own batch norm and pooling slow here; and what a pool discards is not normalised first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPS = 1e-5
"""Batch norm adds it to the variance, torch's default."""

Gradients = tuple[Tensor | None, ...]

# --------------------------------------------------------------------------- convolution of columns in pairs


def double_columns(weight: Tensor) -> Tensor:
    """The kernel that does to paired columns what ``weight`` does to single ones.

    (M, outputs, inputs, k, k) → (M, 2·outputs, 2·inputs, k, 1 or 3).
    """
    models, outputs, inputs, size, _ = weight.shape
    table = _doubling(size, weight.device)
    doubled = torch.einsum("moiyk,abvk->maobiyv", weight, table)
    return doubled.reshape(models, 2 * outputs, 2 * inputs, size, -1)


@cache
def _doubling(size: int, device: torch.device) -> Tensor:
    """(2 out, 2 in, v, k): 1 where tap k links input column 2(j + v) + b to output column 2j + a."""
    reach = (size // 2 + 1) // 2
    table = torch.zeros(2, 2, 2 * reach + 1, size)
    for a in range(2):
        for b in range(2):
            for v in range(-reach, reach + 1):
                tap = 2 * v + b - a + size // 2
                if 0 <= tap < size:
                    table[a, b, v + reach, tap] = 1
    return table.to(device)


# --------------------------------------------------------------------------- batch norm


@dataclass(frozen=True)
class Statistics:
    """Statistics of one batch; (M, C) each."""

    mean: Tensor
    variance: Tensor
    count: Tensor | float
    """Count of numbers per channel; (M, 1) where models differ."""

    @property
    def unbiased(self) -> Tensor:
        return self.variance * (self.count / (self.count - 1))


@torch.no_grad()
def statistics(y: Tensor, shape: torch.Size, valid: Tensor | None) -> Statistics:
    """Statistics of y (N, …, M·copies·C) for ``shape`` (M, C).

    ``valid`` (N, M) of 0 and 1 leaves samples out; their y must be 0.
    """
    count = total(valid, len(y)) * (y[0].numel() // shape.numel())
    mean = _sums(y, shape) / count
    variance = (_sums(y * y, shape) / count - mean * mean).clamp(min=0)
    return Statistics(mean, variance, count)


def total(valid: Tensor | None, samples: int) -> Tensor | float:
    return float(samples) if valid is None else valid.sum(dim=0)[:, None]


def norm_relu(y: Tensor, gamma: Tensor, beta: Tensor, batch: Statistics, valid: Tensor | None) -> Tensor:
    """ReLU(γ·x̂ + β) with gradients through the statistics; y (N, …, M·C), γ and β (M, C)."""
    z: Tensor = _NormRelu.apply(y, gamma, beta, batch, valid)  # type: ignore[no-untyped-call]
    return z


class _NormRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, batch: Statistics, valid: Tensor | None
    ) -> Tensor:
        inverse = (batch.variance + EPS).rsqrt()
        scale = gamma * inverse
        z = _affine(y, scale, beta - batch.mean * scale).relu_()
        ctx.batch = batch
        ctx.save_for_backward(y, z, scale, inverse, valid)
        return z

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dz: Tensor) -> Gradients:
        y, z, scale, inverse, valid = ctx.saved_tensors
        g = torch.ops.aten.threshold_backward(dz.contiguous(), z, 0)
        dbeta = _sums(g, scale.shape)
        dgamma = (_sums(g * y, scale.shape) - ctx.batch.mean * dbeta) * inverse
        dy = _through_statistics(y, scale, inverse, dgamma, dbeta, ctx.batch)
        _rows(dy).addcmul_(_rows(g), _along(scale, y))
        return without(dy, valid, scale.shape[0]), dgamma, dbeta, None, None


def norm_pool_relu(y: Tensor, gamma: Tensor, beta: Tensor, batch: Statistics, valid: Tensor | None) -> Tensor:
    """``norm_relu`` and then a 2×2 max-pool, for γ ≥ 0; the pool is computed first, with the same result.

    y (N, H, W', M·copies·C) → (N, H/2, W/2, M·C); W' = W, or W/2 for columns in pairs (copies = 2).
    """
    n, height, width, _ = y.shape
    copies = y.shape[3] // gamma.numel()
    z: Tensor = _NormPoolRelu.apply(y, gamma, beta, batch, valid)  # type: ignore[no-untyped-call]
    return z.view(n, height // 2, width * copies // 2, gamma.numel())


class _NormPoolRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, batch: Statistics, valid: Tensor | None
    ) -> Tensor:
        inverse = (batch.variance + EPS).rsqrt()
        scale = gamma * inverse
        greatest, falls = _pool(y, gamma.shape)
        pooled = greatest.view(len(y), y.shape[1] // 2, -1, gamma.numel())
        z = _affine(pooled, scale, beta - batch.mean * scale).relu_()
        ctx.batch = batch
        ctx.save_for_backward(y, greatest, z, scale, inverse, valid, *falls)
        return z

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dz: Tensor) -> Gradients:
        y, greatest, z, scale, inverse, valid, *falls = ctx.saved_tensors
        g = torch.ops.aten.threshold_backward(dz.reshape(z.shape), z, 0)
        dbeta = _sums(g, scale.shape)
        dgamma = (_sums(g * greatest.view_as(g), scale.shape) - ctx.batch.mean * dbeta) * inverse
        dy = _through_statistics(y, scale, inverse, dgamma, dbeta, ctx.batch)
        _rows(g).mul_(_along(scale, g))
        for line, part in zip(_lines(dy), _unpool(g.view_as(greatest), falls), strict=True):
            line.add_(part)
        return without(dy, valid, scale.shape[0]), dgamma, dbeta, None, None


def _through_statistics(
    y: Tensor, scale: Tensor, inverse: Tensor, dgamma: Tensor, dbeta: Tensor, batch: Statistics
) -> Tensor:
    """The part of dy that comes through mean and variance: −scale · (mean(g) + x̂ · mean(g·x̂))."""
    slope = -scale * inverse * dgamma / batch.count
    return _affine(y, slope, -scale * dbeta / batch.count - slope * batch.mean)


def _rows(y: Tensor) -> Tensor:
    """(…, W, channels) → (rows, W·channels)."""
    return y.view(-1, y.shape[-2] * y.shape[-1] if y.dim() > 2 else y.shape[-1])


def _along(values: Tensor, y: Tensor) -> Tensor:
    """(M, C) values repeated along one row of y."""
    copies = max(y.shape[-1] // values.numel(), 1)
    return values.flatten().index_select(0, _tiling(*values.shape, copies, _rows(y).shape[1], values.device))


@cache
def _tiling(models: int, channels: int, copies: int, row: int, device: torch.device) -> Tensor:
    """Which of M·C values belongs to each number of a row."""
    place = torch.arange(models * channels).view(models, 1, channels).expand(-1, copies, -1).flatten()
    return place.repeat(row // len(place)).to(device)


def _affine(y: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """y · scale + shift, channel by channel."""
    return torch.addcmul(_along(shift, y), _rows(y), _along(scale, y)).view(y.shape)


def _sums(y: Tensor, shape: torch.Size) -> Tensor:
    """(M, C) sums over samples, places and copies."""
    models, channels = shape
    places = y.flatten(1).sum(dim=0).view(-1, y.shape[-1]).sum(dim=0)
    return places.view(models, -1, channels).sum(dim=1)


def without(y: Tensor, valid: Tensor | None, models: int) -> Tensor:
    """y (N, …, M·channels) with zeros where (N, M) ``valid`` is 0."""
    if valid is None:
        return y
    shape = (len(y), *(1,) * (y.dim() - 2), models, 1)
    return (y.view(*y.shape[:-1], models, -1) * valid.view(shape)).flatten(-2)


# --------------------------------------------------------------------------- max-pool


def pool_relu(y: Tensor, shape: torch.Size) -> Tensor:
    """2×2 max-pool, then ReLU, for ``shape`` (M, C): shapes as in ``norm_pool_relu``."""
    n, height, width, row = y.shape
    z: Tensor = _PoolRelu.apply(y, shape)  # type: ignore[no-untyped-call]
    return z.view(n, height // 2, width * row // shape.numel() // 2, shape.numel())


class _PoolRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, shape: torch.Size) -> Tensor:
        ctx.shape = y.shape
        greatest, falls = _pool(y, shape)
        z = greatest.relu_()
        ctx.save_for_backward(z, *falls)
        return z

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dz: Tensor) -> Gradients:
        z, *falls = ctx.saved_tensors
        g = torch.ops.aten.threshold_backward(dz.reshape(z.shape), z, 0)
        return torch.stack(_unpool(g, falls), dim=1).view(ctx.shape), None


def _pool(y: Tensor, shape: torch.Size) -> tuple[Tensor, list[Tensor]]:
    """Maximum of each 2×2, (places, run), and the differences top − bottom and left − right."""
    top, bottom = _lines(y)
    # Two columns are C apart where they come in pairs, else a whole place.
    run = shape[1] if y.shape[3] == 2 * shape.numel() else y.shape[3]
    left, right = torch.maximum(top, bottom).view(-1, 2, run).unbind(dim=1)
    return torch.maximum(left, right), [top - bottom, left - right]


def _lines(y: Tensor) -> tuple[Tensor, ...]:
    """Upper and lower lines of all pairs of lines, (pairs, W'·channels) each."""
    return y.view(-1, 2, y.shape[2] * y.shape[3]).unbind(dim=1)


def _unpool(g: Tensor, falls: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The gradient for upper and lower lines: each number goes back to the place it came from. Overwrites
    g."""
    fall_down, fall_right = falls
    to_left = torch.ops.aten.threshold_backward(g, fall_right, 0)
    lines = torch.stack([to_left, g.sub_(to_left)], dim=1).view_as(fall_down)
    to_top = torch.ops.aten.threshold_backward(lines, fall_down, 0)
    return to_top, lines.sub_(to_top)


# --------------------------------------------------------------------------- large matrix product


class LargeWeight:
    """A large matrix (M, outputs, inputs) to be trained, with buffers of its own for every step's results.

    A step that allocates memory for its copy and gradient anew, and frees it, spends twice as long on that as
    on the products.
    """

    def __init__(self, weight: Tensor, half: bool) -> None:
        """``half``: products are of bfloat16 copies. ``weight`` is a leaf; ``backward`` sets its gradient."""
        self.weight = weight
        self._gradient = torch.zeros_like(weight)
        dtype = torch.bfloat16 if half else weight.dtype
        self._factor = torch.empty_like(weight, dtype=dtype) if half else weight.detach()
        self._product = torch.empty_like(weight, dtype=dtype) if half else self._gradient

    def times(self, x: Tensor) -> Tensor:
        """x (M, N, inputs) times the transposed matrix. One backward pass a step: gradients do not add up."""
        y: Tensor = _Linear.apply(x, self.weight, self)  # type: ignore[no-untyped-call]
        return y

    def factor(self) -> Tensor:
        """The matrix as the products take it."""
        if self._factor.dtype != self.weight.dtype:
            self._factor.copy_(self.weight.detach())
        return self._factor

    def keep_gradient(self, dy: Tensor, x: Tensor) -> None:
        """dyᵀ x as the weight's gradient."""
        torch.bmm(dy.mT, x, out=self._product)
        if self._product is not self._gradient:
            self._gradient.copy_(self._product)
        self.weight.grad = self._gradient


class _Linear(torch.autograd.Function):
    """Has its own backward pass also because torch's leaves the weight's gradient transposed in memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, _: Tensor, matrix: LargeWeight) -> Tensor:
        factor = matrix.factor()
        x = x.to(factor.dtype)
        ctx.matrix, ctx.factor = matrix, factor
        ctx.save_for_backward(x)
        return torch.bmm(x, factor.mT).float()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Tensor) -> Gradients:
        (x,) = ctx.saved_tensors
        dy = dy.to(x.dtype)
        ctx.matrix.keep_gradient(dy, x)
        return torch.bmm(dy, ctx.factor).float(), None, None
