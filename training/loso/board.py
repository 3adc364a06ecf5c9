"""TensorBoard logs of training, for ``--tensorboard``; the package is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from recognizer.errors import AtmeError
from training.evaluation.scores import score
from training.features.archive import FeatureArchive
from training.loso.folds import Fold
from training.loso.run_folder import FoldResult
from training.models.method import Predict

CHUNK = 500
"""Samples predicted at once."""


@contextmanager
def board(folder: Path | None) -> Iterator[Any]:
    """A ``SummaryWriter``, closed afterwards; None where ``folder`` is None.

    AtmeError where the tensorboard package is missing or the folder cannot be made.
    """
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise AtmeError(
            "not-installed",
            "--tensorboard: the tensorboard package is missing; pip install 'atme-live[tensorboard]'",
        ) from None
    try:
        writer = SummaryWriter(str(folder))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{folder}: cannot make this folder ({error.strerror or error})"
        ) from None
    try:
        yield writer
    finally:
        writer.close()


class FoldLog:
    """Logs a leave-one-subject-out run after every fold."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._seen: dict[int, list[tuple[Fold, FoldResult]]] = {}

    def __call__(self, archive: FeatureArchive, fold: Fold, result: FoldResult) -> None:
        """Accuracy of the fold; accuracy, UAR and UF1 pooled over the seed's folds so far; seconds."""
        seen = self._seen.setdefault(result.seed, [])
        seen.append((fold, result))
        truth = np.concatenate([archive.label[one.test] for one, _ in seen])
        named = np.concatenate([part.probabilities.argmax(axis=1) for _, part in seen])
        pooled, own = score(truth, named), archive.label[fold.test] == result.probabilities.argmax(axis=1)
        numbers = {"accuracy": pooled.accuracy, "UAR": pooled.uar, "UF1": pooled.uf1}
        for name, number in numbers.items():
            self._writer.add_scalar(f"seed {result.seed}, finished subjects/{name}", number, len(seen))
        self._writer.add_scalar(f"seed {result.seed}, each subject/accuracy", float(own.mean()), result.fold)
        self._writer.add_scalar(f"seed {result.seed}, each subject/seconds", result.seconds, result.fold)


def log_fit(writer: Any, epoch: int, archive: FeatureArchive, network: Predict) -> None:
    """Logs cross-entropy and accuracy on the training samples: the progress of training, which says nothing
    about unseen people."""
    parts = [slice(start, start + CHUNK) for start in range(0, len(archive), CHUNK)]
    probabilities = np.concatenate([network(archive.pairs(part)) for part in parts])
    said = probabilities[np.arange(len(archive)), archive.label]
    loss = -np.log(np.maximum(said, 1e-9)).mean()
    right = (probabilities.argmax(axis=1) == archive.label).mean()
    writer.add_scalar("training samples/cross-entropy", loss, epoch)
    writer.add_scalar("training samples/accuracy", right, epoch)
