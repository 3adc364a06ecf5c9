"""The network's outputs for action units: where they lie beside the logits, and how they are calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.network.backend import FEATURE_SHAPE
from recognizer.recognition import CLASSES
from recognizer.units import UNITS

LOGITS = len(CLASSES) + 1
"""The classes, and "no emotion"."""
OUTPUTS = LOGITS + 2 * len(UNITS)
"""Outputs of the pre-trained network: the logits, and each unit on the person's left and right."""


def split(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """(N, OUTPUTS) → logits (N, classes + 1) and those of the units (N, units, 2)."""
    return outputs[:, :LOGITS], outputs[:, LOGITS:].reshape(-1, len(UNITS), 2)


def mirror(x: Tensor) -> Tensor:
    """The feature of the mirrored face, on the scale [−1, 1]: columns swapped, u negated (method §6)."""
    return (x * x.new_tensor((-1.0, 1.0, 1.0))[:, None, None]).flip(3)


def with_mirrored(network: nn.Module, entire: Tensor, puzzled: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs of a network for samples, and for their mirror images: (N, outputs) each.

    An exported network takes each sample and its mirror image as two rows of one batch, because that reads
    its large matrix once.
    """
    if not torch.onnx.is_in_onnx_export():
        return network(entire, puzzled), network(mirror(entire), mirror(puzzled))
    both = (torch.cat([x, mirror(x)], dim=1).reshape(-1, *FEATURE_SHAPE) for x in (entire, puzzled))
    said: Tensor = network(*both)
    return said[::2], said[1::2]


THRESHOLD = 0.15
"""From this calibrated probability up, an action unit counts as active. Real movements differ from synthetic
ones and get lower probabilities: F1 is best near 0.15 on CASME II, and at twice that on synthetic samples."""


class UnitReader(nn.Module):
    """Logits and units of a pre-trained network, means over a sample and its mirror image."""

    scale: Tensor
    bias: Tensor

    def __init__(self, model: nn.Module) -> None:
        """``model``: (N, 3, 28, 28) twice → (N, OUTPUTS)."""
        super().__init__()
        self.model = model
        self.register_buffer("scale", torch.ones(len(UNITS), 1))
        self.register_buffer("bias", torch.zeros(len(UNITS), 1))

    def raw(self, entire: Tensor, puzzled: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 28, 28) float32 in [−1, 1] twice → logits (N, classes + 1), units' logits (N, units, 2)."""
        own, other = with_mirrored(self.model, entire, puzzled)
        logits, units = split(own)
        other_logits, other_units = split(other)
        # The mirrored face's left is this one's right.
        return (logits + other_logits) / 2, (units + other_units.flip(2)) / 2

    def forward(self, entire: Tensor, puzzled: Tensor) -> tuple[Tensor, Tensor]:
        """As ``raw``, the units as calibrated probabilities."""
        logits, units = self.raw(entire, puzzled)
        return logits, torch.sigmoid(units * self.scale + self.bias)


@dataclass(frozen=True)
class UnitCalibration:
    """What the weights' metadata says about units, each in the order of ``UNITS``."""

    thresholds: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    agreement: float
    """Share of synthetic events for which the units' weights and the network give the same class."""


def calibrate_units(reader: UnitReader, logits: Tensor, units: Tensor, truth: Tensor) -> UnitCalibration:
    """Fits ``reader``'s scale and bias (Platt), a threshold per unit, and the units' weights for the classes.

    ``logits`` (N, classes + 1), divided by their temperature, and ``units`` (N, units, 2) are raw outputs for
    samples not used in training, ``truth`` (N, units, 2) says which units are active. The threshold of
    blink and head is the one with the best F1. The weights are a ridge regression of the classes' log-odds on
    the units' probabilities: they describe the network, not a table of emotions.
    """
    for k in range(len(UNITS)):
        reader.scale[k], reader.bias[k] = _platt(units[:, k].flatten(), truth[:, k].flatten().float())
    said = torch.sigmoid(units * reader.scale + reader.bias).amax(dim=2)
    present = truth.any(dim=2)
    thresholds = [
        THRESHOLD if code.startswith("AU") else _best_threshold(said[:, k], present[:, k])
        for k, code in enumerate(UNITS)
    ]
    odds = logits[:, :-1] - logits[:, :-1].mean(dim=1, keepdim=True)
    inputs = torch.cat([said, torch.ones(len(said), 1)], dim=1).double()
    penalty = torch.eye(inputs.shape[1], dtype=torch.float64) * 1.0
    weights = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ odds.double())
    alike = (inputs @ weights).argmax(dim=1) == odds.argmax(dim=1)
    event = present[:, :-2].any(dim=1)  # blink and head alone are not an event
    return UnitCalibration(
        tuple(thresholds),
        tuple(tuple(round(float(one), 4) for one in row) for row in weights[:-1]),
        float(alike[event].float().mean()),
    )


def _platt(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Scale (not negative) and bias with the least cross-entropy; Newton's method, ten steps."""
    inputs = torch.stack([logits, torch.ones_like(logits)], dim=1).double()
    weights = torch.tensor((1.0, 0.0), dtype=torch.float64)
    penalty = torch.eye(2, dtype=torch.float64) * 1e-2
    for _ in range(10):
        p = torch.sigmoid(inputs @ weights)
        slope = inputs.T @ (p - truth) + penalty @ (weights - torch.tensor((1.0, 0.0)))
        bend = inputs.T @ (inputs * (p * (1 - p))[:, None]) + penalty
        weights = weights - torch.linalg.solve(bend, slope)
    return weights[0].clamp(min=0.05).float(), weights[1].float()


def _best_threshold(said: Tensor, present: Tensor) -> float:
    steps = torch.linspace(0.05, 0.95, 91)
    taken = said[:, None] >= steps
    both = (taken & present[:, None]).sum(dim=0)
    f1 = 2 * both / (taken.sum(dim=0) + present.sum()).clamp(min=1)
    return round(float(steps[int(f1.argmax())]), 2)


def unit_loss(said: Tensor, units: Tensor) -> Tensor:
    """Mean cross-entropy of the units' logits (N, units, 2) against 0 and 1."""
    return F.binary_cross_entropy_with_logits(said, units)
