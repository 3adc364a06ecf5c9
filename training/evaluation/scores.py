"""How good predictions are: the paper's scores (§4.1), their uncertainty, and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.recognition import CLASSES
from training.evaluation.bootstrap import Interval, bounds, drawn

Labels = npt.NDArray[np.int64]
"""(N,) class indices."""
Probabilities = npt.NDArray[np.float64]
"""(N, classes); rows sum to 1."""


@dataclass(frozen=True)
class Scores:
    """Acc = ΣTP / N; UAR the mean recall, UF1 the mean F1 of the classes."""

    samples: int
    accuracy: float
    uar: float
    uf1: float
    recall: tuple[float, ...]
    """By class; NaN for a class without samples, which the means leave out."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows: true class; columns: predicted class."""


@dataclass(frozen=True)
class RiskCoverage:
    """What is gained by refusing the samples with the least evidence."""

    coverage: tuple[float, ...]
    """Share of the samples answered, those with the most evidence first."""
    risk: tuple[float, ...]
    """Share of errors among those answered."""


@dataclass(frozen=True)
class Report:
    """Everything that ``atme-train evaluate`` says about one set of predictions."""

    overall: Scores
    databases: dict[str, Scores]
    intervals: dict[str, Interval]
    """95 % bootstrap intervals of ``accuracy``, ``uar`` and ``uf1``, resampled by subject."""
    ece: float
    refusal: float
    """Evidence below which the label is ``uncertain``."""
    refused: float
    """Share of the samples refused at that threshold."""
    answered: Scores
    """The scores over the samples that are not refused."""
    risk_coverage: RiskCoverage


def confusion_matrix(truth: Labels, predicted: Labels, classes: int = len(CLASSES)) -> npt.NDArray[np.int64]:
    """(classes, classes) counts; rows: true, columns: predicted."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def score(truth: Labels, predicted: Labels) -> Scores:
    """The scores of one set; counts are pooled before averaging, as the paper does over its folds."""
    counts = confusion_matrix(truth, predicted)
    accuracy, uar, uf1 = means(counts).tolist()
    true = counts.sum(axis=1)
    recall = np.where(true > 0, counts.diagonal() / np.maximum(true, 1), np.nan)
    return Scores(
        samples=int(counts.sum()),
        accuracy=accuracy,
        uar=uar,
        uf1=uf1,
        recall=tuple(float(value) for value in recall),
        confusion=tuple(tuple(int(value) for value in row) for row in counts),
    )


def means(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Accuracy, UAR and UF1 of (…, classes, classes) counts: (3, …).

    A class without samples is left out of the means; without any sample they are NaN.
    """
    hits, true, named = counts.diagonal(axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    present = true > 0
    with np.errstate(invalid="ignore"):  # 0 / 0 where there is no sample
        recall = np.where(present, hits / np.maximum(true, 1), 0).sum(axis=-1) / present.sum(axis=-1)
        f1 = np.where(present, 2 * hits / np.maximum(true + named, 1), 0).sum(axis=-1) / present.sum(axis=-1)
        return np.stack([hits.sum(axis=-1) / true.sum(axis=-1), recall, f1])


def bootstrap(
    truth: Labels, predicted: Labels, groups: npt.NDArray[np.str_], draws: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """95 % percentile intervals. Whole groups (subjects) are drawn, because a person's samples are alike."""
    names, member = np.unique(groups, return_inverse=True)
    tables = np.stack(
        [confusion_matrix(truth[member == g], predicted[member == g]) for g in range(len(names))]
    )
    by_draw = np.tensordot(drawn(len(names), draws, seed), tables, axes=1)
    low, high = bounds(means(by_draw).T)
    whole = means(tables.sum(axis=0)).tolist()
    keys = ("accuracy", "uar", "uf1")
    return {key: Interval(whole[k], float(low[k]), float(high[k])) for k, key in enumerate(keys)}


def calibration_error(truth: Labels, probabilities: Probabilities, bins: int = 10) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over equal-width bins of confidence."""
    total = 0.0
    for _, confidence, accuracy, share in reliability(truth, probabilities, bins):
        total += share * abs(confidence - accuracy)
    return total


def reliability(
    truth: Labels, probabilities: Probabilities, bins: int = 10
) -> list[tuple[float, float, float, float]]:
    """Filled bins as (upper edge, mean confidence, accuracy, share of the samples)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = []
    for k in range(bins):
        inside = which == k
        if inside.any():
            mean, hits = confidence[inside].mean(), right[inside].mean()
            rows.append(((k + 1) / bins, float(mean), float(hits), float(inside.mean())))
    return rows


def risk_coverage(
    truth: Labels, probabilities: Probabilities, evidence: npt.NDArray[np.float64] | None = None
) -> RiskCoverage:
    """Error rate among the k samples with the most evidence (default: confidence), for every k."""
    order = np.argsort(-(probabilities.max(axis=1) if evidence is None else evidence), kind="stable")
    wrong = (probabilities.argmax(axis=1) != truth)[order]
    answered = np.arange(1, len(truth) + 1)
    return RiskCoverage(
        tuple((answered / len(truth)).tolist()), tuple((np.cumsum(wrong) / answered).tolist())
    )


def report(
    truth: Labels,
    probabilities: Probabilities,
    database: npt.NDArray[np.str_],
    subject: npt.NDArray[np.str_],
    refusal: float,
    evidence: npt.NDArray[np.float64] | None = None,
) -> Report:
    """Everything at once; databases in alphabetical order, subjects told apart by database.

    ``evidence`` (N,) is what ``refusal`` is compared with; default: the greatest probability.
    """
    predicted = probabilities.argmax(axis=1)
    kept = (probabilities.max(axis=1) if evidence is None else evidence) >= refusal
    people = np.char.add(np.char.add(database, "/"), subject)
    return Report(
        overall=score(truth, predicted),
        databases={
            str(name): score(truth[database == name], predicted[database == name])
            for name in np.unique(database)
        },
        intervals=bootstrap(truth, predicted, people),
        ece=calibration_error(truth, probabilities),
        refusal=refusal,
        refused=float(1 - kept.mean()),
        answered=score(truth[kept], predicted[kept]),
        risk_coverage=risk_coverage(truth, probabilities, evidence),
    )
