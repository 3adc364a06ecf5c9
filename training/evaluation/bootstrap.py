"""Bootstrap intervals. Whole groups are drawn (subjects, videos), because what comes from one is alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def drawn(units: int, draws: int = 1000, seed: int = 0) -> npt.NDArray[np.int64]:
    """(draws, units): how often each unit occurs in each draw of ``units`` units with replacement."""
    chosen = np.random.default_rng(seed).integers(units, size=(draws, units))
    return np.stack([np.bincount(row, minlength=units) for row in chosen])


def bounds(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """(2, …): lower and upper ends over the draws, which are the first axis; NaN draws are left out."""
    return np.asarray(np.nanpercentile(values, (2.5, 97.5), axis=0), np.float64)
