"""The interface of every method: learn from a training set, then classify unseen samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from training.features.archive import Pairs
from training.learning.engine import Recipe, TrainingSet

Features = npt.NDArray[np.uint8]
"""(n, 3, 28, 28): u, v, |ε|, each stretched to 0–255."""
Predict = Callable[[Pairs], npt.NDArray[np.float64]]
"""n samples → (n, 3) probabilities."""
Watch = Callable[[int, Predict], None]
"""Called with the number of finished epochs and the method in its present state; it cannot influence
training."""


@dataclass(frozen=True)
class Fitting:
    """Where training differs from the paper's own (its Table 6)."""

    optimizer: str = "adam"
    """``adam``, or ``sgd`` with momentum 0.9."""
    sgd_rate: float = 1e-2
    """Ours: the paper does not give the learning rate of its SGD."""
    weighted: bool = False
    """Cross-entropy or focal loss weighted by one over the classes' frequency in the training set."""


class Method(Protocol):
    """A row of the comparison."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def title(self) -> str:
        """Name in tables."""

    @property
    def source(self) -> str:
        """The paper."""

    @property
    def needs_faces(self) -> bool:
        """Whether it needs images of the faces, which not every archive holds."""

    def learn(
        self,
        item: TrainingSet,
        recipe: Recipe,
        fitting: Fitting,
        device: str = "cpu",
        half: bool = False,
        watch: Watch | None = None,
    ) -> Predict:
        """Receives the training data and nothing else (law 6). ``half``: products in bfloat16."""
