"""Scores broken down by properties of the recordings and of the true movements."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spotting.scoring.wilson import wilson
from training.datasets.long_video import LongVideo, Movement
from training.spotting.score import Hit, Outcome, SpotScore, Wanted, error_quantiles, score

LASTING = 0.2
"""Seconds: rates are compared on movements long enough for a slow camera."""
COMPARED = (30.0, 200.0)
CONDITIONS = ("peak", "fps", "drift", "crf", "face", "recording")
"""Conditions of a recording; ``recording``: for filmed ones, whether motion was inserted."""
BESIDE = {
    "blink": "a blink in it",
    "gaze": "a gaze shift",
    "speech": "talk",
    "mouth": "the mouth otherwise",
    "gesture": "head motion",
    "macro": "a macro-expression",
}
"""Kind of another movement → name for a micro-expression that coincides with one."""
_PEAKS = (0.65, 0.9, 1.25, 1.75, 2.5, 4.0)
_DURATIONS_MS = (150, 250, 350, 440, 500)


def lasting(true: Movement, video: LongVideo) -> bool:
    """Long enough for a slow camera."""
    return true.duration >= LASTING


# ---- by the recording


def by(condition: str, outcomes: Sequence[Outcome], counts: Wanted | None = None) -> dict[Any, SpotScore]:
    """The score for every value of a condition: peak, fps, drift, face, crf (the compression).

    Recordings without it are left out, as are those whose movements have different peaks.
    """
    parts: dict[Any, list[Outcome]] = {}
    for outcome in outcomes:
        if (value := _value(outcome.video, condition)) is not None:
            parts.setdefault(value, []).append(outcome)
    ordered = sorted(parts, key=lambda value: (isinstance(value, str), value))
    return {value: score(parts[value], counts) for value in ordered}


def _value(video: LongVideo, condition: str) -> Any:
    """None where the recording does not have it."""
    if condition == "fps":
        return video.fps
    value = video.conditions.get(condition)
    if condition == "crf" and condition in video.conditions:
        return value or "JPEG"
    return (value or None) if condition == "peak" else value


def same_timelines(outcomes: Sequence[Outcome], rates: Sequence[float]) -> list[Outcome]:
    """Those of ``rates`` whose timeline was rendered at each of them: the same events at several rates."""
    shown: dict[Any, set[float]] = {}
    for outcome in outcomes:
        shown.setdefault(outcome.video.conditions.get("timeline"), set()).add(outcome.video.fps)
    return [
        outcome
        for outcome in outcomes
        if (timeline := outcome.video.conditions.get("timeline")) is not None
        and outcome.video.fps in rates
        and shown[timeline] >= set(rates)
    ]


# ---- by the true movement


@dataclass(frozen=True)
class Part:
    """The true movements of one sort: their number, and which were found."""

    truths: int
    hits: tuple[Hit, ...]

    @property
    def recall(self) -> float:
        """Hits among the true movements."""
        return len(self.hits) / self.truths

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the recall."""
        return wilson(len(self.hits), self.truths)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "truths": self.truths,
            "hits": len(self.hits),
            "recall": round(self.recall, 4),
            "interval": [round(end, 4) for end in self.interval],
            **error_quantiles(self.hits),
        }


Sorts = Callable[[Movement, LongVideo], tuple[str, ...]]
"""The sorts that a true movement belongs to: none, one or several."""


def overlap(true: Movement, video: LongVideo) -> tuple[str, ...]:
    """Everything else that moves between its onset and offset; or alone."""
    kinds = {
        other.kind
        for other in video.movements
        if other.kind in BESIDE and other.onset < true.offset and true.onset < other.offset
    }
    return tuple(BESIDE[kind] for kind in BESIDE if kind in kinds) or ("alone",)


def peak(true: Movement, video: LongVideo) -> tuple[str, ...]:
    """Its peak in pixels of a 256-px face, where that is known."""
    return (_between(true.peak_px, _PEAKS),) if true.peak_px else ()


def duration(true: Movement, video: LongVideo) -> tuple[str, ...]:
    """Onset to offset, milliseconds."""
    return (_between(1000 * true.duration, _DURATIONS_MS),)


def _between(value: float, edges: Sequence[float]) -> str:
    index = bisect_right(edges, value)
    if index == 0:
        return f"under {edges[0]:g}"
    return f"{edges[index - 1]:g} to {edges[index]:g}" if index < len(edges) else f"{edges[-1]:g} and more"


SORTS: dict[str, tuple[Sorts, tuple[str, ...]]] = {
    "overlap": (overlap, ("alone", *BESIDE.values())),
    "peak, px": (peak, tuple(_between(edge, _PEAKS) for edge in (0, *_PEAKS))),
    "duration, ms": (duration, tuple(_between(edge, _DURATIONS_MS) for edge in (0, *_DURATIONS_MS))),
}
"""Name → (the sorts of a movement, all of them in order)."""


def by_sort(name: str, outcomes: Sequence[Outcome], hits: Sequence[Hit]) -> dict[str, Part]:
    """Every sort of ``SORTS[name]`` of which there are true movements, in order.

    ``hits``: those of the outcomes' score. Empty for the overlap where only expressions are annotated: that
    a movement was alone is then not known.
    """
    sorts, order = SORTS[name]
    kinds = {movement.kind for outcome in outcomes for movement in outcome.video.movements}
    if name == "overlap" and kinds <= {"micro", "macro"}:
        return {}
    truths = [sort for o in outcomes for true in o.video.micros for sort in sorts(true, o.video)]
    found: dict[str, list[Hit]] = {sort: [] for sort in order}
    for hit in hits:
        for sort in sorts(hit.true, hit.video):
            found[sort].append(hit)
    return {sort: Part(truths.count(sort), tuple(found[sort])) for sort in order if sort in truths}
