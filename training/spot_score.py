"""How well movements were spotted, by the protocol of the Micro-Expression Grand Challenge.

A found interval is a hit when it overlaps a true one by IoU ≥ 0.5, one to one; precision, recall and F1 are
pooled over all recordings (Li et al. 2022, MEGC2022, DOI 10.1145/3503161.3551601).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spotting.candidate import Candidate, Rejection
from training.datasets.long_video import LongVideo, Movement

LEAST_IOU = 0.5


@dataclass(frozen=True)
class Outcome:
    """What one spotter made of one recording."""

    video: LongVideo
    minutes: float
    found: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A true movement and the one that was found for it."""

    true: Movement
    found: Candidate
    video: LongVideo

    @property
    def apex_error_ms(self) -> float:
        """Positive where the apex was put too late."""
        return 1000 * (self.found.apex - self.true.apex)

    @property
    def delay_ms(self) -> float:
        """From the true apex to the decision."""
        return 1000 * (self.found.decided - self.true.apex)


@dataclass(frozen=True)
class SpotScore:
    """Pooled over recordings."""

    minutes: float
    truths: int
    found: int
    hits: tuple[Hit, ...]
    false_alarms: int
    """Found where no micro-expression is, not even in part: what a viewer calls a false alarm. A movement
    that was seen but badly delimited costs precision, yet alarms nobody for nothing."""
    alarms_during: Counter[str] = field(default_factory=Counter)
    """What went on at the false alarms: speech, macro, blink, gesture, gaze, nothing."""
    missed: Counter[str] = field(default_factory=Counter)
    """Why true movements were missed: the reason of the rejection, 'badly delimited', or 'not seen'."""
    rejected: Counter[str] = field(default_factory=Counter)
    """All rejections by reason."""

    @property
    def precision(self) -> float:
        """Hits among what was found."""
        return len(self.hits) / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Hits among what was there."""
        return len(self.hits) / self.truths if self.truths else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        both = self.found + self.truths
        return 2 * len(self.hits) / both if both else 0.0

    @property
    def alarms_per_minute(self) -> float:
        """False alarms a minute of recording."""
        return self.false_alarms / self.minutes if self.minutes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        errors = np.abs([hit.apex_error_ms for hit in self.hits])
        delays = np.array([hit.delay_ms for hit in self.hits])
        return {
            "minutes": round(self.minutes, 2),
            "truths": self.truths,
            "found": self.found,
            "hits": len(self.hits),
            "f1": round(self.f1, 4),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "false_alarms_per_minute": round(self.alarms_per_minute, 3),
            "apex_error_ms": quantiles(errors, (50, 95)),
            "decision_delay_ms": quantiles(delays, (50, 95)),
            "alarms_during": dict(self.alarms_during),
            "missed": dict(self.missed),
            "rejected": dict(self.rejected),
        }


def quantiles(values: Iterable[float], percents: Sequence[int]) -> dict[str, float | None]:
    """``p50`` … → value; None where there are no values."""
    array = np.array(list(values))
    return {f"p{p}": round(float(np.percentile(array, p)), 1) if len(array) else None for p in percents}


def score(outcomes: Iterable[Outcome], longest: float = np.inf, shortest: float = 0.0) -> SpotScore:
    """Pools recordings. Movements outside ``shortest`` … ``longest`` seconds, and what is found for them,
    count neither for nor against."""
    minutes, truths, found = 0.0, 0, 0
    hits: list[Hit] = []
    during: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for outcome in outcomes:
        wanted = [m for m in outcome.video.micros if shortest <= m.offset - m.onset <= longest]
        ignored = [m for m in outcome.video.micros if m not in wanted]
        pairs = match(outcome.video.micros, outcome.found)
        beside = {id(event) for true, event in pairs if true in ignored}
        counted = [
            event
            for event in outcome.found
            if id(event) not in beside and not (touches(event, ignored) and not touches(event, wanted))
        ]
        hits += [Hit(true, event, outcome.video) for true, event in pairs if true in wanted]
        minutes, truths, found = minutes + outcome.minutes, truths + len(wanted), found + len(counted)
        matched = [true for true, _ in pairs]
        missed.update(_why_missed(true, outcome) for true in wanted if true not in matched)
        during.update(meanwhile(event, outcome.video) for event in counted if not touches(event, wanted))
        rejected.update(rejection.reason for rejection in outcome.rejections)
    return SpotScore(minutes, truths, found, tuple(hits), sum(during.values()), during, missed, rejected)


def match(truth: Sequence[Movement], found: Sequence[Candidate]) -> list[tuple[Movement, Candidate]]:
    """Pairs of IoU ≥ 0.5, each in one pair at most, best overlap first."""
    overlaps = [(iou(true, event), i, k) for i, true in enumerate(truth) for k, event in enumerate(found)]
    pairs: dict[int, int] = {}
    for overlap, i, k in sorted(overlaps, key=lambda item: (-item[0], item[1], item[2])):
        if overlap >= LEAST_IOU and i not in pairs and k not in pairs.values():
            pairs[i] = k
    return [(truth[i], found[k]) for i, k in sorted(pairs.items())]


def iou(a: Movement | Candidate, b: Movement | Candidate) -> float:
    """Common time over the time of either, 0 … 1."""
    common = min(a.offset, b.offset) - max(a.onset, b.onset)
    either = max(a.offset, b.offset) - min(a.onset, b.onset)
    return max(common, 0.0) / either if either > 0 else 0.0


def is_false_alarm(event: Candidate, video: LongVideo) -> bool:
    """No micro-expression there, not even in part."""
    return not touches(event, video.micros)


def touches(event: Candidate | Rejection, movements: Iterable[Movement]) -> bool:
    """Some of the movements overlap it, if only in part."""
    moved = event.movement if isinstance(event, Rejection) else event
    return any(moved.onset < m.offset and m.onset < moved.offset for m in movements)


def _why_missed(true: Movement, outcome: Outcome) -> str:
    if any(touches(event, [true]) for event in outcome.found):
        return "badly delimited"
    for rejection in outcome.rejections:
        if touches(rejection, [true]):
            return rejection.reason
    return "not seen"


def meanwhile(event: Candidate, video: LongVideo) -> str:
    """What else went on, up to a third of a second before: skin and landmarks take a moment to settle."""
    margin = 0.3
    kinds = [
        m.kind
        for m in video.movements
        if m.kind != "micro" and event.onset < m.offset + margin and m.onset < event.offset
    ]
    # Eyes that wander do so all the time; what else goes on says more.
    return next((kind for kind in kinds if kind != "gaze"), kinds[0] if kinds else "nothing")
