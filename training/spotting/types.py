"""Micro- and macro-expressions scored in the manner of the MEGC: each type, and both pooled.

A found interval is a hit where it overlaps a true one of its own type by IoU ≥ 0.5 (He et al. 2020,
arXiv 1912.11985; Li et al. 2022, DOI 10.1145/3503161.3551601).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from spotting.candidate import Kind
from spotting.scoring import megc
from training.spotting.score import Outcome, match

OVERALL = "overall"


@dataclass(frozen=True)
class TypeScore:
    """Counts over all recordings, and the scores that follow from them."""

    truths: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        """Hits among the expressions found."""
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Hits among the true expressions."""
        return self.hits / self.truths if self.truths else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        both = self.found + self.truths
        return 2 * self.hits / both if both else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        shares = {name: round(getattr(self, name), 4) for name in ("precision", "recall", "f1")}
        return {**asdict(self), **shares}

    def __add__(self, other: TypeScore) -> TypeScore:
        return TypeScore(self.truths + other.truths, self.found + other.found, self.hits + other.hits)


def by_type(outcomes: Sequence[Outcome]) -> dict[str, TypeScore]:
    """micro, macro and overall."""
    scores: dict[str, TypeScore] = {
        kind: sum((_score(outcome, kind) for outcome in outcomes), TypeScore(0, 0, 0))
        for kind in get_args(Kind)
    }
    return {**scores, OVERALL: sum(scores.values(), TypeScore(0, 0, 0))}


def _score(outcome: Outcome, kind: Kind) -> TypeScore:
    true = [movement for movement in outcome.video.movements if movement.kind == kind]
    found = outcome.found if kind == "micro" else outcome.macros
    return TypeScore(len(true), len(found), len(match(true, found)))


def submission(outcomes: Sequence[Outcome]) -> str:
    """The submission file of the MEGC. Frames are numbered as the dataset does, those of a video from 1."""
    return megc.submission(
        (
            outcome.video.name,
            event.onset_frame + outcome.video.first_frame,
            event.offset_frame + outcome.video.first_frame,
            event.kind,
        )
        for outcome in outcomes
        for event in sorted((*outcome.found, *outcome.macros), key=lambda event: event.onset)
    )
