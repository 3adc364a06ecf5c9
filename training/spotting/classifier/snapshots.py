"""What the spotter's classifier learns from: movements in rendered clips, as they stood at several moments.

The spotter runs over the clips with low thresholds, with a stand-in for the classifier that records its
evidence and always rejects: so each movement is recorded several times, while it falls and once it has ended.
What the apex detector proposes is recorded, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from spotting.apexes.detector import Proposer
from spotting.candidate import Candidate
from spotting.classifier import KINDS, Evidence, Prediction, evidence
from spotting.memory import Array, Memory
from spotting.motion import MotionSample
from spotting.spotter import Spotter
from spotting.spotter_config import SpotterConfig
from training.datasets.long_video import LongVideo, Movement
from training.spotting.apexes.foreseen import Foreseen
from training.spotting.apexes.network import Panel
from training.spotting.classifier.lids import lifelike_lids
from training.spotting.classifier.mixing import enriched, mixed
from training.spotting.score import iou, touches
from training.spotting.signal import signal_of

THRESHOLDS = ((2.5, 0.22), (2.0, 0.2), (1.7, 0.17))
"""(threshold_factor, min_motion)."""
APART_S = 0.045
"""A movement is not written down more often than this while it falls."""
_APEX_S = 0.03
"""The apex of a micro-expression may be found so far outside of it."""
_KIND = {
    "speech": "speech",
    "mouth": "mouth",
    "macro": "macro",
    "blink": "blink",
    "gesture": "head motion",
    "gaze": "gaze",
}
"""What goes on in a clip → what the classifier calls it."""
_ONE_S = 0.35
"""Micro-expressions whose apexes are nearer to each other are one movement."""
_SETTLES_S = 0.3
"""Skin and landmarks take so long to settle after a movement."""


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


class Witness:
    """Stands in for the classifier: writes down what it is shown, and says that it is nothing."""

    def __init__(self) -> None:
        self.seen: list[tuple[Candidate, Evidence]] = []

    def __call__(self, movement: Candidate, memory: Memory, rest: Array) -> Prediction:
        """Never convinced."""
        last = self.seen[-1][0] if self.seen else None
        if last is None or last.onset != movement.onset or movement.decided - last.decided > APART_S:
            self.seen.append((movement, evidence(movement, memory, rest)))
        return Prediction(0.0, "noise", movement.onset, movement.apex, movement.offset)


@dataclass(frozen=True)
class View:
    """A clip to be looked at, alone or with another's movements laid over it (``mixing.py``)."""

    video: LongVideo
    over: LongVideo | None = None
    thresholds: tuple[tuple[float, float], ...] = THRESHOLDS


def views(videos: Sequence[LongVideo], mixtures: int, seed: int) -> list[View]:
    """Every clip at all ``THRESHOLDS``, then ``mixtures`` times each of them over another, at one of them."""
    rng = np.random.default_rng((seed, 5))
    mixed_views = [
        View(video, videos[int(rng.integers(len(videos)))], (THRESHOLDS[number % len(THRESHOLDS)],))
        for number in range(mixtures)
        for video in videos
    ]
    return [View(video) for video in videos] + mixed_views


def snapshots(
    view: View, cache_folder: Path, reader: Callable[[Sequence[MotionSample]], Proposer]
) -> Iterator[Snapshot]:
    """Every movement of clips that are measured, as the classifier meets it. ``reader`` of the samples: the
    apex detector.

    One in which two micro-expressions meet is left out: nobody could say which of them it is.
    """
    video = view.video
    samples = lifelike(video, cache_folder)
    if view.over is not None:
        video, samples = mixed(video, samples, view.over, lifelike(view.over, cache_folder))
        video, samples = enriched(video, samples, crc32(video.name.encode()))
    for thresholds in view.thresholds:
        yield from met(video, samples, thresholds, reader(samples))


def met(
    video: LongVideo, samples: Sequence[MotionSample], thresholds: tuple[float, float], detector: Proposer
) -> Iterator[Snapshot]:
    """Every movement that the spotter meets in the samples, with these of ``THRESHOLDS``."""
    factor, least = thresholds
    witness = Witness()
    spotter = Spotter(SpotterConfig(threshold_factor=factor, min_motion=least), witness, detector)
    for sample in samples:
        spotter.push(sample)
    for movement, shown in witness.seen:
        if not _between_two(video, movement):
            kind, true = named(video, movement)
            yield Snapshot(movement, shown, KINDS.index(kind), _apart(movement, true))


def lifelike(video: LongVideo, cache_folder: Path) -> Sequence[MotionSample]:
    """A measured clip, with lids that read as real ones do."""
    return lifelike_lids(video, signal_of(video, cache_folder).samples, crc32(video.name.encode()))


def _between_two(video: LongVideo, movement: Candidate) -> bool:
    apexes = sorted(m.apex for m in video.micros if touches(movement, [m]))
    return any(after - before < _ONE_S for before, after in pairwise(apexes))


def _apart(movement: Candidate, true: Movement | None) -> tuple[float, float, float]:
    if true is None:
        return 0.0, 0.0, 0.0
    return true.onset - movement.apex, true.apex - movement.apex, true.offset - movement.apex


def in_view(cache_folder: Path, panel: Panel, view: View) -> list[Snapshot]:
    """All ``snapshots`` of a view."""
    return list(snapshots(view, cache_folder, partial(Foreseen, panel)))


def named(video: LongVideo, movement: Candidate) -> tuple[str, Movement | None]:
    """What a movement truly is, of ``KINDS``, and the micro-expression where it is one.

    It is one where its apex lies within; what only touches one is a fragment of it.
    """
    inside = [true for true in video.micros if true.onset - _APEX_S <= movement.apex <= true.offset + _APEX_S]
    if inside:
        true = min(inside, key=lambda true: abs(true.apex - movement.apex))
        falls = movement.onset > true.apex + (true.offset - true.apex) / 3
        return ("fragment", None) if falls else (KINDS[0], true)
    if touches(movement, video.micros):
        return "fragment", None
    return _beside(video, movement), None


def _beside(video: LongVideo, movement: Candidate) -> str:
    """What else goes on: what overlaps it best, the eyes' wandering last."""
    around = [
        (true.kind != "gaze", iou(true, movement), _KIND[true.kind])
        for true in video.movements
        if true.kind in _KIND and movement.onset < true.offset + _SETTLES_S and true.onset < movement.offset
    ]
    return max(around)[2] if around else "noise"
