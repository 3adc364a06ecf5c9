"""How well movements were spotted, by the protocol of the Micro-Expression Grand Challenge.

A found interval is a hit when it overlaps a true one by IoU ≥ 0.5, one to one; precision, recall and F1 are
pooled over all recordings (Li et al. 2022, MEGC2022, DOI 10.1145/3503161.3551601).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spotting.candidate import Candidate, Rejection
from training.datasets.long_video import LongVideo, Movement

LEAST_IOU = 0.5
PREVALENCES = (1.0, 0.3)
"""Micro-expressions a minute for which precision is recomputed: real long videos have about one, or fewer."""
Wanted = Callable[[Movement, LongVideo], bool]
"""Which true movements of a recording count."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one spotter on one recording."""

    video: LongVideo
    minutes: float
    found: tuple[Candidate, ...]
    """The micro-expressions that it found."""
    rejections: tuple[Rejection, ...] = ()
    scored: tuple[tuple[float, Candidate], ...] = ()
    """(score, movement) of everything that counts at some threshold; a FROC curve is made from it."""
    macros: tuple[Candidate, ...] = ()
    """The macro-expressions that it found."""


@dataclass(frozen=True)
class Hit:
    """A true movement and the one that was found for it."""

    true: Movement
    found: Candidate
    video: LongVideo

    @property
    def onset_error_ms(self) -> float:
        """Positive where the onset was found too late; likewise for the next two."""
        return 1000 * (self.found.onset - self.true.onset)

    @property
    def apex_error_ms(self) -> float:
        """Error of the apex."""
        return 1000 * (self.found.apex - self.true.apex)

    @property
    def offset_error_ms(self) -> float:
        """Error of the offset."""
        return 1000 * (self.found.offset - self.true.offset)

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
    """Found where there is no micro-expression, not even in part. A movement that was found but badly
    delimited lowers precision, but is not a false alarm."""
    alarms_during: Counter[str] = field(default_factory=Counter)
    """What really happened at the false alarms: speech, macro, blink, gesture, gaze, nothing."""
    missed: Counter[str] = field(default_factory=Counter)
    """Why true movements were missed: the reason of the rejection, 'badly delimited', 'macro' or 'not
    seen'."""
    rejected: Counter[str] = field(default_factory=Counter)
    """All rejections by reason."""

    @property
    def precision(self) -> float:
        """Hits among the movements found."""
        return len(self.hits) / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Hits among the true movements."""
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

    @property
    def alarms_interval(self) -> tuple[float, float]:
        """95 % interval of the false alarms a minute."""
        low, high = poisson(self.false_alarms)
        return (low / self.minutes, high / self.minutes) if self.minutes else (0.0, math.inf)

    def precision_at(self, prevalence: float) -> float | None:
        """Precision at this many micro-expressions a minute; see ``precision_at``."""
        return precision_at(prevalence, self.recall, self.alarms_per_minute)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "minutes": round(self.minutes, 2),
            "truths": self.truths,
            "found": self.found,
            "hits": len(self.hits),
            "f1": round(self.f1, 4),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "precision_at_a_minute": {f"{rate:g}": rounded(self.precision_at(rate)) for rate in PREVALENCES},
            "false_alarms_per_minute": round(self.alarms_per_minute, 3),
            "false_alarms_interval": [round(end, 3) for end in self.alarms_interval],
            **error_quantiles(self.hits),
            "decision_delay_ms": quantiles((hit.delay_ms for hit in self.hits), (50, 95)),
            "alarms_during": dict(self.alarms_during),
            "missed": dict(self.missed),
            "rejected": dict(self.rejected),
        }


def precision_at(prevalence: float, recall: float, alarms_per_minute: float) -> float | None:
    """Precision in video of ``prevalence`` micro-expressions a minute; None where nothing would be found.

    A benchmark contains many micro-expressions, which inflates its precision; recall and false alarms a
    minute carry over to long videos, which have hardly one a minute.
    """
    hits = recall * prevalence
    return hits / (hits + alarms_per_minute) if hits + alarms_per_minute else None


def poisson(count: int) -> tuple[float, float]:
    """95 % interval of the expected count (Byar's approximation): none at all may still be up to 3.7."""
    z = 1.96
    low = count * (1 - 1 / (9 * count) - z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    return low, more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3


def error_quantiles(hits: Sequence[Hit]) -> dict[str, dict[str, float | None]]:
    """How far off onset, apex and offset are: median and 90th percentile, ms."""
    return {
        f"{name}_error_ms": quantiles((abs(getattr(hit, f"{name}_error_ms")) for hit in hits), (50, 90))
        for name in ("onset", "apex", "offset")
    }


def rounded(value: float | None) -> float | None:
    """Rounded for JSON; None stays None."""
    return None if value is None else round(value, 4)


def quantiles(values: Iterable[float], percents: Sequence[int]) -> dict[str, float | None]:
    """``p50`` … → value; None where there are no values."""
    array = np.array(list(values))
    return {f"p{p}": round(float(np.percentile(array, p)), 1) if len(array) else None for p in percents}


def score(outcomes: Iterable[Outcome], counts: Wanted | None = None) -> SpotScore:
    """Pools recordings. Movements that are not selected, and movements found for them, count neither for nor
    against."""
    minutes, truths, found = 0.0, 0, 0
    hits: list[Hit] = []
    during: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for outcome in outcomes:
        wanted = [m for m in outcome.video.micros if counts is None or counts(m, outcome.video)]
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


def f1_counts(outcomes: Iterable[Outcome], counts: Wanted | None = None) -> npt.NDArray[np.int64]:
    """(recordings, 2): hits, and found and true movements together; their sums give ``f1_of``."""
    scores = [score([outcome], counts) for outcome in outcomes]
    rows = [(len(result.hits), result.found + result.truths) for result in scores]
    return np.array(rows, np.int64).reshape(-1, 2)


def f1_of(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(…, 2) sums of ``f1_counts`` → F1."""
    return np.asarray(2 * counts[..., 0] / np.maximum(counts[..., 1], 1), np.float64)


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
    if any(touches(event, [true]) for event in outcome.macros):
        return "macro"
    return "not seen"


def meanwhile(event: Candidate, video: LongVideo) -> str:
    """What else happened, up to a third of a second before: skin and landmarks take a moment to settle."""
    margin = 0.3
    kinds = [
        m.kind
        for m in video.movements
        if m.kind != "micro" and event.onset < m.offset + margin and m.onset < event.offset
    ]
    # Wandering eyes never stop, so anything else is more informative.
    return next((kind for kind in kinds if kind != "gaze"), kinds[0] if kinds else "nothing")
