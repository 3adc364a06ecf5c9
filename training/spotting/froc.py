"""Recall against false alarms a minute: the FROC curve and its confidence interval.

The lowest score at which a movement counts is varied. A spotter's movements come from one run in which each
counts whatever its score, so that a movement keeps its times and its score at every point of the curve. For
the causal spotter the score is the highest probability that it gave a movement, of several while it fell.
What it rejects without asking the classifier has no score and is not on the curve.

A found movement is a hit or a false alarm exactly as in ``spotting.score``; of two that fit one true
movement the one of the higher score is the hit. The interval is a bootstrap over recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.bootstrap import bounds, drawn
from training.spotting.score import LEAST_IOU, PREVALENCES, Outcome, iou, precision_at, rounded, touches

LEVELS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""False alarms a minute at which recall is read off."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One step down in the score after another; both coordinates only grow."""

    scores: Floats
    """(n,) the least score that counts."""
    alarms: Floats
    """(n,) false alarms a minute."""
    recall: Floats
    """(n,) of the true movements."""

    def recall_at(self, levels: Sequence[float] | Floats) -> Floats:
        """(levels,) the best recall at no more false alarms a minute than that; 0 before the first point."""
        return np.append(0.0, self.recall)[np.searchsorted(self.alarms, levels, "right")]

    def score_at(self, level: float) -> float | None:
        """The least score that counts there; None where nothing can."""
        index = int(np.searchsorted(self.alarms, level, "right"))
        return float(self.scores[index - 1]) if index else None


@dataclass(frozen=True)
class Froc:
    """The curve of a spotter over all recordings."""

    curve: Curve
    draws: tuple[Curve, ...]
    """The same over recordings drawn with replacement."""

    def band(self, levels: Sequence[float] | Floats) -> Floats:
        """(2, levels): the 95 % interval of recall at these false alarms a minute."""
        return bounds(np.stack([draw.recall_at(levels) for draw in self.draws]))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what is read off at ``LEVELS``, and the whole curve."""
        curve = self.curve
        points = []
        for level, recall, low, high in zip(LEVELS, curve.recall_at(LEVELS), *self.band(LEVELS), strict=True):
            points.append(
                {
                    "false_alarms_per_minute": level,
                    "recall": round(float(recall), 4),
                    "interval": [round(float(low), 4), round(float(high), 4)],
                    "least_score": rounded(curve.score_at(level)),
                    "precision_at_a_minute": {
                        f"{rate:g}": rounded(precision_at(rate, float(recall), level)) for rate in PREVALENCES
                    },
                }
            )
        columns = (curve.alarms, curve.recall, curve.scores)
        return {"at": points, "curve": np.round(np.stack(columns, axis=1), 4).tolist()}


@dataclass(frozen=True)
class _Scored:
    """What counts at some threshold, by falling score."""

    score: Floats
    hit: Floats
    alarm: Floats
    """1 or 0 each."""
    video: npt.NDArray[np.int64]


def froc(outcomes: Sequence[Outcome], draws: int = 500) -> Froc:
    """The curve of one spotter's outcomes, from what they have ``scored``."""
    scored = _by_score(outcomes)
    minutes = np.array([outcome.minutes for outcome in outcomes])
    truths = np.array([len(outcome.video.micros) for outcome in outcomes])
    times = [np.ones(len(outcomes)), *drawn(len(outcomes), draws)] if outcomes else [np.ones(0)]
    curves = [_curve(scored, row, float(row @ minutes), float(row @ truths)) for row in times]
    return Froc(curves[0], tuple(curves[1:]) or (curves[0],))


def _curve(scored: _Scored, times: npt.NDArray[Any], minutes: float, truths: float) -> Curve:
    weight = times[scored.video]
    ends = np.append(np.diff(scored.score) != 0, True)[: len(scored.score)]  # equal scores count together
    alarms, hits = np.cumsum(weight * scored.alarm)[ends], np.cumsum(weight * scored.hit)[ends]
    return Curve(scored.score[ends], alarms / max(minutes, 1e-9), hits / max(truths, 1.0))


def _by_score(outcomes: Sequence[Outcome]) -> _Scored:
    rows = [(*row, k) for k, outcome in enumerate(outcomes) for row in _judged(outcome)]
    table = np.array(rows, float).reshape(-1, 4)
    table = table[np.argsort(-table[:, 0], kind="stable")]
    return _Scored(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.int64))


def _judged(outcome: Outcome) -> Iterator[tuple[float, bool, bool]]:
    """(score, is a hit, is a false alarm) of each movement, by falling score."""
    left = list(outcome.video.micros)
    for value, event in sorted(outcome.scored, key=lambda pair: -pair[0]):
        best = max(left, key=lambda true: iou(true, event), default=None)
        hit = best is not None and iou(best, event) >= LEAST_IOU
        if best is not None and hit:
            left.remove(best)
        yield value, hit, not touches(event, outcome.video.micros)
