"""A hand-crafted descriptor with a linear support vector machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.features.archive import Pairs
from training.learning.engine import Recipe, TrainingSet
from training.models.method import Features, Fitting, Predict, Watch

Describe = Callable[[Features, Features], npt.NDArray[np.float64]]
"""Face and puzzle features of n samples → (n, numbers)."""


@dataclass(frozen=True)
class HandCrafted:
    """A method made of a descriptor."""

    name: str
    title: str
    source: str
    describe: Describe
    needs_faces: bool = False

    def learn(
        self,
        item: TrainingSet,
        recipe: Recipe,
        fitting: Fitting,
        device: str = "cpu",
        half: bool = False,
        watch: Watch | None = None,
    ) -> Predict:
        """Fits the machine once; the recipe is for networks and is ignored."""
        predict = linear_svm(self.describe(item.entire, item.puzzled), item.label)

        def named(pairs: Pairs) -> npt.NDArray[np.float64]:
            return predict(self.describe(pairs.entire, pairs.puzzled))

        if watch is not None:
            watch(1, named)
        return named


def linear_svm(
    features: npt.NDArray[np.float64], label: npt.NDArray[np.int64]
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Descriptors → (n, 3) shares (softmax of the distances to the planes); C = 1, standardised numbers."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    machine = make_pipeline(StandardScaler(), LinearSVC(dual="auto", max_iter=20_000, random_state=0))
    machine.fit(features, label)

    def predict(others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        distance = machine.decision_function(others)
        shares = np.exp(distance - distance.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    return predict
