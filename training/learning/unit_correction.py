"""Fits what a pre-trained network says of action units to codings, without touching its weights.

    logit of a unit = s · z_unit + Σ_k w_k z_k + b

z are the network's logits, of the likelier side each; s, w and b are learnt a unit: logistic regression that
starts from the network's opinion and is held to it (as ``learning.correction`` is for the label). Convex, and
nothing in it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST = 3
"""Positives without which a unit is left as the network has it."""
HELD, MIXING = 1.0, 100.0
"""Penalties on what changes of the unit's own logit and of the bias, and on what others add to it."""


@dataclass(frozen=True)
class UnitCorrection:
    """One unit as learnt from a training set."""

    weights: Floats
    """(units + 1,): of every unit's logit, and the bias."""
    threshold: float
    """The probability of best F1 on the training samples."""

    def shift(self, logits: Floats, unit: int) -> Floats:
        """(n,): by how much the unit's logit rises. ``logits``: (n, units), of the likelier sides."""
        return np.asarray(_with_one(logits) @ self.weights - logits[:, unit])


def correct_unit(logits: Floats, unit: int, present: Flags, known: Flags) -> UnitCorrection | None:
    """Learns one unit from training samples; None where fewer than ``LEAST`` have it, or none lacks it.

    ``logits``: (n, units) of the likelier sides; ``present`` (n,): coded; ``known`` (n,): coded or certainly
    not.
    """
    inputs, truth = _with_one(logits[known]), present[known].astype(np.float64)
    if truth.sum() < LEAST or truth.sum() == len(truth):
        return None
    start = np.zeros(inputs.shape[1])
    start[unit] = 1.0
    held = np.full(len(start), MIXING)
    held[[unit, -1]] = HELD

    def loss(weights: Floats) -> tuple[float, Floats]:
        said, moved = inputs @ weights, weights - start
        value = np.logaddexp(0, said).sum() - truth @ said + (held * moved**2).sum() / 2
        return float(value), inputs.T @ (_chance(said) - truth) + held * moved

    weights = np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)
    return UnitCorrection(weights, _best_threshold(_chance(inputs @ weights), truth))


def _chance(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits.clip(-40, 40))))


def _with_one(logits: Floats) -> Floats:
    return np.column_stack([logits, np.ones(len(logits))])


def _best_threshold(said: Floats, truth: Floats) -> float:
    """The middle of the range in which F1 is best, of the probabilities of the samples."""
    values = np.sort(said)
    edges = np.concatenate([values[:1] / 2, (values[1:] + values[:-1]) / 2])
    taken = said[:, None] >= edges
    f1 = 2 * (taken * truth[:, None]).sum(axis=0) / (taken.sum(axis=0) + truth.sum())
    return float(edges[f1 == f1.max()].mean())
