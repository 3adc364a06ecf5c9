"""Fits a pre-trained network's action units to codings, without touching its weights.

    logit of a unit = s · z_unit + Σ_k w_k z_k + b

z are the network's logits, each of the likelier side; s, w and b are learnt for each unit: logistic
regression that starts from the network's opinion and is penalised for leaving it (as ``learning.correction``
for the label). The problem is convex and involves no chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST = 3
"""With fewer positives than this, a unit stays as the network has it."""
HELD, MIXING = 1.0, 100.0
"""Penalties on changes of the unit's own logit and of the bias, and on what other units add."""


@dataclass(frozen=True)
class UnitCorrection:
    """The correction of one unit, learnt from a training set."""

    weights: Floats
    """(units + 1,): a weight for every unit's logit, and the bias."""
    threshold: float
    """The probability at which F1 is best on the training samples."""

    def shift(self, logits: Floats, unit: int) -> Floats:
        """(n,): what is added to the unit's logit. ``logits``: (n, units), of the likelier sides."""
        return np.asarray(_with_one(logits) @ self.weights - logits[:, unit])


def correct_unit(logits: Floats, unit: int, present: Flags, known: Flags) -> UnitCorrection | None:
    """Learns one unit from training samples; None where fewer than ``LEAST`` have it, or all have it.

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
    """The middle of the range of thresholds at which F1 is best on the samples."""
    values = np.sort(said)
    edges = np.concatenate([values[:1] / 2, (values[1:] + values[:-1]) / 2])
    taken = said[:, None] >= edges
    f1 = 2 * (taken * truth[:, None]).sum(axis=0) / (taken.sum(axis=0) + truth.sum())
    return float(edges[f1 == f1.max()].mean())
