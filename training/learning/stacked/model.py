"""Many Dual-ATME networks as one: side by side in the channels of every tensor, for training only.

M models have B = 2·M bi-Inceptions, first those of the face, then those of the puzzle. Activations are
(N, H, W, B·C) in memory, channels last: B convolutions are one grouped convolution, and the statistics of a
batch norm are sums over rows. On a CPU this order is faster than the usual one even for a single
model. In the first block two neighbouring columns share a place, (N, 28, 14, B·2·C): twelve channels fill
the vector units that six leave half empty, and a 5×5 kernel becomes 5×3. All of it is the algebra of
``recognizer.network.model.DualAtme``, whose states go in and come out; a test compares both.

On a CPU there is a second implementation of the bi-Inceptions, which makes a step a quarter faster: one
network after the other, compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recognizer.network.model import ModelConfig
from training.learning.stacked.compiled_inceptions import Vector, first_block, second_block
from training.learning.stacked.layers import (
    EPS,
    LargeWeight,
    Statistics,
    double_columns,
    norm_pool_relu,
    norm_relu,
    pool_relu,
    statistics,
    total,
    without,
)

State = dict[str, Tensor]
"""The ``state_dict`` of one ``DualAtme``."""

_FLATTENED = "classifier.1.weight"
_ENTIRE, _PUZZLED, _BOTH = "entire.0.", "puzzled.", "both."
"""Prefixes of the bi-Inceptions' parameters; the last holds those of face and puzzle together."""
_FIRST_NORMS = ("branch3.1", "branch5.1")
"""Layers of the first block that do not read the inputs, and all of the second."""
_SECOND_NORMS = ("branch1", "branch3.0", "branch5.0", "branch3.1", "branch5.1", "pooled.1")


@dataclass(frozen=True)
class Inputs:
    """N features for each of B bi-Inceptions, and their moments, from which the first batch norms follow."""

    values: Tensor
    """(B, N, 28, 14, 2·3) in [−1, 1]: columns in pairs. float32, or bfloat16 for models in half precision."""
    mean: Tensor
    """(B, 3) means over samples and places."""
    covariance: Tensor
    """(B, 3, 3)."""


@dataclass(frozen=True)
class Batch:
    """The inputs of one training step."""

    features: Inputs
    pooled: Inputs
    """After a 3×3 max-pool of stride 1, with which one branch of an inception block begins."""
    dropout: Tensor
    """(N, M, hidden): 0 for what is dropped, 1 / (1 − p) for what is kept."""
    valid: Tensor | None
    """(N, M) of 0 and 1 where the models' batches differ in size; None where all samples are real."""


class StackedModels:
    """M models: parameters (leading axis B or M), running statistics, and the forward pass of training."""

    def __init__(
        self,
        states: Sequence[Mapping[str, Tensor]],
        config: ModelConfig,
        device: torch.device,
        half: bool = False,
        compiled: bool = False,
    ) -> None:
        """``half``: convolutions and the large matrix product work on bfloat16 copies (sums in float32).

        ``compiled``: on a CPU, one bi-Inception after the other (``compiled_inceptions``), with the same
        result up to rounding. Batches whose models differ in size are never compiled.
        """
        self.models, self.config, self.half, self.compiled = len(states), config, half, compiled
        self._names = list(states[0])
        stacked = {name: torch.stack([state[name] for state in states]).to(device) for name in states[0]}
        stacked = _united(stacked)
        self.running = {name: value for name, value in stacked.items() if ".running_" in name}
        # A bias right before a batch norm is subtracted again, so it never changes; it is added at the end.
        self._biases = {name: value for name, value in stacked.items() if _mean_after(name) in stacked}
        for name, bias in self._biases.items():
            self.running[_mean_after(name)] = self.running[_mean_after(name)] - bias
        self._counts = {
            name: value for name, value in stacked.items() if name.endswith("num_batches_tracked")
        }
        others = self.running.keys() | self._biases.keys() | self._counts.keys()
        self.parameters = {name: value for name, value in stacked.items() if name not in others}
        self.parameters[_FLATTENED] = self._reorder(self.parameters[_FLATTENED], last=True)
        for parameter in self.parameters.values():
            parameter.requires_grad_()
        self._large = LargeWeight(self.parameters[_FLATTENED], half)
        self._statistics: State = {}

    def states(self) -> list[State]:
        """A copy of every model's ``state_dict``, on the CPU."""
        with torch.no_grad():
            values = {name: value.detach() for name, value in self.parameters.items()}
            values[_FLATTENED] = self._reorder(values[_FLATTENED], last=False)
            values |= self.running | self._biases | self._counts
            for name, bias in self._biases.items():
                values[_mean_after(name)] = values[_mean_after(name)] + bias
            values = {name: value.cpu() for name, value in _separated(values).items()}
        return [{name: values[name][m].clone() for name in self._names} for m in range(self.models)]

    def _reorder(self, weight: Tensor, last: bool) -> Tensor:
        """The columns of (M, hidden, C·7·7) from channels first to channels last, or back."""
        channels = 16 * self.config.width
        shape = (channels, 49) if last else (49, channels)
        return weight.view(*weight.shape[:2], *shape).transpose(2, 3).flatten(2).contiguous()

    def update_running(self, momentum: float = 0.1) -> None:
        """Moves the running statistics towards the last forward pass's, as torch's batch norm does."""
        names = list(self._statistics)
        torch._foreach_lerp_(
            [self.running[name] for name in names], list(self._statistics.values()), momentum
        )
        self._statistics = {}

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, M, classes) and both branches' maps (N, 7, 7, M, 8·width)."""
        entire, puzzled = self._bi_inceptions(batch)
        entire = self._attention(entire)
        flat = torch.cat([entire, puzzled], dim=4).permute(3, 0, 1, 2, 4).flatten(2)
        hidden = self._large.times(flat).transpose(0, 1)
        hidden = self._norm_relu("classifier.2", hidden.flatten(1), batch.valid)
        kept = (hidden.view_as(batch.dropout) * batch.dropout).transpose(0, 1)
        weight, bias = self.parameters["classifier.5.weight"], self.parameters["classifier.5.bias"]
        return (kept @ weight.mT + bias[:, None]).transpose(0, 1), entire, puzzled

    def _bi_inceptions(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Maps of face and puzzle, (N, 7, 7, M, 8·width) each."""
        if self.compiled and batch.valid is None:
            return self._compiled_bi_inceptions(batch)
        valid = None if batch.valid is None else batch.valid.repeat(1, 2)
        maps = self._first_block(f"{_BOTH}0", batch.features, batch.pooled, valid)
        maps = self._second_block(f"{_BOTH}2", maps.flatten(3), valid)
        return maps[:, :, :, : self.models], maps[:, :, :, self.models :]

    def _first_block(self, name: str, x: Inputs, pooled: Inputs, valid: Tensor | None) -> Tensor:
        """Inception and the pool after it, (N, 14, 14, B, 4·width); columns in pairs until the pool."""
        values, pooled_values = _side_by_side(x.values), _side_by_side(pooled.values)

        def reduced(branch: str) -> Tensor:
            return torch.relu_(self._convolve_inputs(f"{name}.{branch}.0", x, values, valid))

        shape = self.parameters[f"{name}.branch1.1.weight"].shape
        return _join(
            shape[0],
            pool_relu(self._convolve_inputs(f"{name}.branch1", x, values, valid).float(), shape),
            self._convolve_pool(f"{name}.branch3.1", reduced("branch3"), valid, doubled=True),
            self._convolve_pool(f"{name}.branch5.1", reduced("branch5"), valid, doubled=True),
            pool_relu(self._convolve_inputs(f"{name}.pooled.1", pooled, pooled_values, valid).float(), shape),
        )

    def _second_block(self, name: str, x: Tensor, valid: Tensor | None) -> Tensor:
        """Inception and the pool after it, (N, 14, 14, B·C) → (N, 7, 7, B, 8·width)."""

        def reduced(branch: str) -> Tensor:
            part = f"{name}.{branch}.0"
            return self._norm_relu(f"{part}.1", self._convolve(x, self.parameters[f"{part}.0.weight"]), valid)

        pooled = F.max_pool2d(x.permute(0, 3, 1, 2), 3, 1, 1).permute(0, 2, 3, 1)
        if self.half:
            x = x.bfloat16()  # once for its three readers
        return _join(
            2 * self.models,
            self._convolve_pool(f"{name}.branch1", x, valid),
            self._convolve_pool(f"{name}.branch3.1", reduced("branch3"), valid),
            self._convolve_pool(f"{name}.branch5.1", reduced("branch5"), valid),
            self._convolve_pool(f"{name}.pooled.1", pooled, valid),
        )

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """(N, H, W, G·inputs) → (N, H, W, G·outputs); weight (G, outputs, inputs, k, k′)."""
        padding = (weight.shape[3] // 2, weight.shape[4] // 2)
        if self.half:
            x, weight, bias = x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()
        y = F.conv2d(x.permute(0, 3, 1, 2), weight.flatten(0, 1), bias, padding=padding, groups=len(weight))
        return y.permute(0, 2, 3, 1).contiguous()

    def _compiled_bi_inceptions(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As ``_bi_inceptions``, with hand-written gradients."""
        first, second = f"{_BOTH}0", f"{_BOTH}2"
        readers = [(branch, batch.features) for branch in ("branch1", "branch3.0", "branch5.0")]
        weights = []
        for branch, inputs in [*readers, ("pooled.1", batch.pooled)]:
            kernel, bias = self._folded(f"{first}.{branch}", inputs, None)
            weights += [double_columns(kernel[..., None, None]), bias]
        for branch in _FIRST_NORMS:
            kernel, *norm = self._layer(f"{first}.{branch}")
            weights += [double_columns(kernel), *norm]
        n = len(batch.dropout)
        x, moments = first_block(batch.features.values, batch.pooled.values, weights)
        self._remember_moments(first, _FIRST_NORMS, moments, n * 28 * 28)
        weights = [weight for branch in _SECOND_NORMS for weight in self._layer(f"{second}.{branch}")]
        maps, moments = second_block(x, weights)
        self._remember_moments(second, _SECOND_NORMS, moments, n * 14 * 14)
        entire, puzzled = maps.permute(1, 2, 3, 0, 4).chunk(2, dim=3)
        return entire, puzzled

    def _layer(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """Kernel, γ and β."""
        parts = ("0.weight", "1.weight", "1.bias")
        return tuple(self.parameters[f"{name}.{part}"] for part in parts)  # type: ignore[return-value]

    def _remember_moments(
        self, block: str, branches: Sequence[str], moments: list[list[Vector]], count: int
    ) -> None:
        for branch, networks in zip(branches, zip(*moments, strict=True), strict=True):
            mean, variance = torch.from_numpy(np.stack(networks, axis=1, dtype=np.float32))
            self._remember(f"{block}.{branch}.1", Statistics(mean, variance, count))

    def _convolve_inputs(self, name: str, x: Inputs, values: Tensor, valid: Tensor | None) -> Tensor:
        """1×1 convolution and batch norm of x in one step; the ``values`` lie side by side, columns in
        pairs."""
        weight, bias = self._folded(name, x, valid)
        shift = bias[:, None].expand(-1, 2, -1).flatten()
        return self._convolve(values, double_columns(weight[..., None, None]), shift)

    def _folded(self, name: str, x: Inputs, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Kernel (B, C, 3) and bias (B, C) of a 1×1 convolution with its batch norm folded in: the
        statistics follow from the moments of its input."""
        weight = self.parameters[f"{name}.0.weight"].flatten(2)
        gamma, beta = self.parameters[f"{name}.1.weight"], self.parameters[f"{name}.1.bias"]
        mean = (weight @ x.mean[..., None]).squeeze(2)
        variance = ((weight @ x.covariance) * weight).sum(dim=2)
        scale = gamma * (variance + EPS).rsqrt()
        count = total(valid, x.values.shape[1]) * (28 * 28)
        self._remember(f"{name}.1", Statistics(mean.detach(), variance.detach(), count))
        return weight * scale[..., None], beta - mean * scale

    def _convolve_pool(self, name: str, x: Tensor, valid: Tensor | None, doubled: bool = False) -> Tensor:
        """Convolution, batch norm, ReLU and 2×2 max-pool; ``doubled``: columns in pairs."""
        gamma, beta = self.parameters[f"{name}.1.weight"], self.parameters[f"{name}.1.bias"]
        sign = torch.where(gamma.detach() < 0, -1.0, 1.0)  # the pool needs γ ≥ 0; two signs cancel
        weight = self.parameters[f"{name}.0.weight"] * sign[..., None, None, None]
        y = self._convolve(x, double_columns(weight) if doubled else weight)
        y = without(y.float(), valid, len(gamma))
        batch = statistics(y, gamma.shape, valid)
        self._remember(f"{name}.1", replace(batch, mean=batch.mean * sign))
        return norm_pool_relu(y, gamma * sign, beta, batch, valid)

    def _norm_relu(self, name: str, y: Tensor, valid: Tensor | None) -> Tensor:
        gamma, beta = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        y = without(y.float(), valid, len(gamma))
        batch = statistics(y, gamma.shape, valid)
        self._remember(name, batch)
        return norm_relu(y, gamma, beta, batch, valid)

    def _remember(self, name: str, batch: Statistics) -> None:
        self._statistics[f"{name}.running_mean"] = batch.mean
        self._statistics[f"{name}.running_var"] = batch.unbiased

    def _attention(self, maps: Tensor) -> Tensor:
        """CBAM on (N, 7, 7, M, C): channels, then places."""
        down, up = (self.parameters[f"entire.1.mlp.{k}.weight"].flatten(2) for k in (0, 2))

        def mlp(x: Tensor) -> Tensor:
            return (torch.relu(x.transpose(0, 1) @ down.mT) @ up.mT).transpose(0, 1)

        channel = torch.sigmoid(mlp(maps.amax(dim=(1, 2))) + mlp(maps.mean(dim=(1, 2))))
        maps = channel[:, None, None] * maps
        summary = torch.stack([maps.amax(dim=4), maps.mean(dim=4)], dim=4).flatten(3)
        place = self._convolve(summary, self.parameters["entire.1.spatial.weight"])
        return torch.sigmoid(place.float())[..., None] * maps


def _side_by_side(values: Tensor) -> Tensor:
    """(B, N, H, W, C) → (N, H, W, B·C)."""
    return values.permute(1, 2, 3, 0, 4).flatten(3)


def _join(groups: int, *parts: Tensor) -> Tensor:
    """Concatenates the branches of each inception block: (N, H, W, groups, C)."""
    return torch.cat([part.view(*part.shape[:3], groups, -1) for part in parts], dim=4)


def _united(stacked: State) -> State:
    """Concatenates the bi-Inceptions of face and puzzle, (2·M, …)."""
    united = {}
    for name, value in stacked.items():
        if name.startswith(_ENTIRE):
            part = name.removeprefix(_ENTIRE)
            united[_BOTH + part] = torch.cat([value, stacked[_PUZZLED + part]])
        elif not name.startswith(_PUZZLED):
            united[name] = value
    return united


def _separated(united: State) -> State:
    """Undoes ``_united``."""
    separated = {}
    for name, value in united.items():
        if name.startswith(_BOTH):
            part = name.removeprefix(_BOTH)
            separated[_ENTIRE + part], separated[_PUZZLED + part] = value.chunk(2)
        else:
            separated[name] = value
    return separated


def _mean_after(name: str) -> str:
    """The running mean of the batch norm that would follow the layer of this bias."""
    layer, _, kind = name.rpartition(".")
    parent, _, index = layer.rpartition(".")
    return f"{parent}.{int(index) + 1}.running_mean" if kind == "bias" and index.isdigit() else ""
