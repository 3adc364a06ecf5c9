"""What the spotter's judge learns from: movements in rendered clips, as they stood at several moments.

The spotter without a judge runs over the clips with low thresholds, and decides early, later and late: each
movement is seen several times, with more or less noise in it and more or less of its fall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spotting.candidate import Candidate
from spotting.judge import KINDS, MEMORY_S, Evidence, evidence
from spotting.motion import MotionSample
from spotting.spotter import Spotter, SpotterConfig
from training.datasets.long_video import LongVideo, Movement
from training.spot_score import iou, meanwhile, touches
from training.spot_signal import signal_of

THRESHOLDS = ((1.9, 0.2), (1.6, 0.15), (1.4, 0.12))
"""(threshold_factor, min_motion)."""
STAGES = ((0.5, 100.0), (0.7, 60.0), (0.85, 40.0))
"""(fallen, patience_ms)."""
_APEX_S = 0.03
"""The apex of a micro-expression may be found so far outside of it."""
_KIND = {
    "speech": "speech",
    "macro": "macro",
    "blink": "blink",
    "gesture": "head motion",
    "gaze": "gaze",
    "nothing": "noise",
}
"""What goes on in a clip → what the judge calls it."""


@dataclass(frozen=True)
class Snapshot:
    """One movement at one moment."""

    movement: Candidate
    evidence: Evidence
    kind: int
    """Index into ``KINDS``."""
    times: tuple[float, float, float]
    """True onset, apex and offset of a micro-expression less the apex that was found, seconds; else 0."""


@dataclass(frozen=True)
class Snapshots:
    """Many of them, as arrays."""

    course: npt.NDArray[np.float32]
    facts: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int64]
    times: npt.NDArray[np.float32]


def stack(snapshots: Sequence[Snapshot]) -> Snapshots:
    """The same as arrays."""
    return Snapshots(
        np.stack([s.evidence.course for s in snapshots]),
        np.stack([s.evidence.facts for s in snapshots]),
        np.array([s.kind for s in snapshots]),
        np.array([s.times for s in snapshots], np.float32),
    )


def snapshots(video: LongVideo, cache_folder: Path) -> Iterator[Snapshot]:
    """Every movement of a clip that is measured, seen with each of ``THRESHOLDS`` at each of ``STAGES``."""
    samples = signal_of(video, cache_folder).samples
    times = np.array([sample.time for sample in samples])
    for factor, least in THRESHOLDS:
        for fallen, patience in STAGES:
            config = SpotterConfig(
                threshold_factor=factor, min_motion=least, fallen=fallen, patience_ms=patience
            )
            movements = seen_by(Spotter(config), samples)
            for movement, (kind, true) in zip(movements, named(video, movements), strict=True):
                last = int(np.searchsorted(times, movement.decided, "right"))
                first = int(np.searchsorted(times, movement.decided - MEMORY_S))
                shown = evidence(movement, samples[first:last])
                yield Snapshot(movement, shown, KINDS.index(kind), _apart(movement, true))


def _apart(movement: Candidate, true: Movement | None) -> tuple[float, float, float]:
    if true is None:
        return 0.0, 0.0, 0.0
    return true.onset - movement.apex, true.apex - movement.apex, true.offset - movement.apex


def looked_at(
    videos: Sequence[LongVideo], cache_folder: Path, workers: int, parts: dict[int, list[Snapshot]]
) -> Iterator[int]:
    """Puts the snapshots of every video into ``parts`` by its index; yields the number of those done."""
    from training.executors import in_process, local

    work = partial(_all_of, cache_folder)
    for index, found in in_process(work, videos) if workers < 2 else local(work, videos, workers):
        parts[index] = found
        yield len(parts)


def _all_of(cache_folder: Path, video: LongVideo) -> list[Snapshot]:
    return list(snapshots(video, cache_folder))


def seen_by(spotter: Spotter, samples: Sequence[MotionSample]) -> list[Candidate]:
    """Everything that crossed the threshold, turned away or not, in the order of the decisions."""
    found = [candidate for sample in samples for candidate in spotter.push(sample)] + spotter.flush()
    found += [rejection.movement for rejection in spotter.rejections]
    return sorted(found, key=lambda movement: movement.decided)


def named(video: LongVideo, movements: Sequence[Candidate]) -> list[tuple[str, Movement | None]]:
    """What each movement truly is, of ``KINDS``, and the micro-expression where it is one.

    A micro-expression is the one movement that overlaps it best with its apex within; others that touch it
    are the rest of it.
    """
    best: dict[int, tuple[float, int]] = {}
    for number, true in enumerate(video.micros):
        for index, movement in enumerate(movements):
            inside = true.onset - _APEX_S <= movement.apex <= true.offset + _APEX_S
            overlap = iou(true, movement)
            if inside and overlap > best.get(number, (0.0, 0))[0]:
                best[number] = overlap, index
    owned = {index: video.micros[number] for number, (_, index) in best.items()}
    return [
        (KINDS[0], owned[index]) if index in owned else (_otherwise(video, movement), None)
        for index, movement in enumerate(movements)
    ]


def _otherwise(video: LongVideo, movement: Candidate) -> str:
    if touches(movement, video.micros):
        return "rest of a movement"
    return _KIND[meanwhile(movement, video)]
