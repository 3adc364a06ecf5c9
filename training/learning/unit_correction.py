"""Fits what a pre-trained network says of action units to codings, without touching its weights.

    logit of a unit = s · z_unit + Σ_k w_k z_k + b

z are the network's logits, of the likelier side each; s, w and b are learnt a unit: logistic regression that
starts from the network's opinion and is held to it (as ``learning.correction`` is for the label). Convex, and
nothing in it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 3
"""Positives without which a unit is left as the network has it."""
HELD, MIXING = 1.0, 10.0
"""Penalties on what changes of the unit's own logit and of the bias, and on what others add to it."""
STEPS = 15
"""Of Newton's method."""


@dataclass(frozen=True)
class UnitCorrection:
    """One unit as learnt from a training set."""

    weights: Tensor
    """(units + 1,) float64: of every unit's logit, and the bias."""
    threshold: float
    """The probability of best F1 on the training samples."""

    def shift(self, logits: Tensor, unit: int) -> Tensor:
        """(n,): by how much the unit's logit rises. ``logits``: (n, units), of the likelier sides."""
        return _with_one(logits) @ self.weights - logits[:, unit]


def correct_unit(logits: Tensor, unit: int, present: Tensor, known: Tensor) -> UnitCorrection | None:
    """Learns one unit from training samples; None where fewer than ``LEAST`` have it, or none lacks it.

    ``logits``: (n, units) of the likelier sides; ``present`` (n,) bool: coded; ``known`` (n,) bool: coded or
    certainly not.
    """
    inputs, truth = _with_one(logits[known].double()), present[known].double()
    if truth.sum() < LEAST or truth.sum() == len(truth):
        return None
    start = torch.zeros(inputs.shape[1], dtype=torch.float64)
    start[unit] = 1.0
    held = torch.full_like(start, MIXING)
    held[[unit, -1]] = HELD
    weights = start.clone()
    for _ in range(STEPS):
        p = torch.sigmoid(inputs @ weights)
        slope = inputs.T @ (p - truth) + held * (weights - start)
        bend = inputs.T @ (inputs * (p * (1 - p))[:, None]) + torch.diag(held)
        weights = weights - torch.linalg.solve(bend, slope)
    return UnitCorrection(weights, _best_threshold(torch.sigmoid(inputs @ weights), truth))


def _with_one(logits: Tensor) -> Tensor:
    return torch.cat([logits.double(), torch.ones(len(logits), 1, dtype=torch.float64)], dim=1)


def _best_threshold(said: Tensor, truth: Tensor) -> float:
    """The middle of the range in which F1 is best, of the probabilities of the samples."""
    values = said.sort().values
    edges = torch.cat([values[:1] / 2, (values[1:] + values[:-1]) / 2])
    taken = said[:, None] >= edges
    f1 = 2 * (taken * truth[:, None]).sum(dim=0) / (taken.sum(dim=0) + truth.sum())
    return float(edges[f1 == f1.max()].mean())
