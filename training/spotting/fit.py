"""Trains the two networks of the spotter: the apex detector, then the classifier, on simulated clips and, if
there are any, on rendered ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import numpy as np

from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from spotting.apexes.detector import ApexDetector
from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo
from training.executors import in_process, local
from training.spotting.apexes import fit as apexes
from training.spotting.apexes.steps import steps
from training.spotting.apexes.views import Clip, View, in_steps, view
from training.spotting.classifier import fit as classifier
from training.spotting.classifier.lids import lifelike_lids
from training.spotting.classifier.snapshots import THRESHOLDS, Snapshot, in_view, met, stack, views
from training.spotting.evaluate import CLASSIFIER, DETECTOR
from training.spotting.signal import signal_of
from training.spotting.simulated import clips as simulated

Advance = Callable[[str, Iterable[tuple[int, int]]], None]
"""Runs through (done, of how many), and shows it."""
Item = TypeVar("Item")
Result = TypeVar("Result")

VIEWS = 12
"""Views of each rendered clip, on average, that the apex detector learns from; of simulated ones a third."""


@dataclass(frozen=True)
class Material:
    """What the networks learn from."""

    benchmarks: Mapping[Path, Sequence[LongVideo]]
    """Folder → its clips, whose signals are in ``.signals`` there."""
    simulated: int
    """How many clips are simulated."""
    seed: int


def fit_detector(of: Material, workers: int, about: Mapping[str, str], out: Path, advance: Advance) -> None:
    """Writes the apex detector into ``out``; AtmeError where there is too little to learn from."""
    clips: list[Clip] = []
    for root, videos in of.benchmarks.items():
        for video in videos:
            samples = signal_of(video, root / ".signals").samples
            clips += _in_steps(video, lifelike_lids(video, samples, crc32(video.name.encode())))
    count = VIEWS * len(clips) + VIEWS // 3 * of.simulated
    work = partial(_simulated_steps, of.seed)
    for found in _each(work, range(of.simulated), workers, "simulated clips", advance):
        clips += found
    if not any(movement.kind == "micro" for clip in clips for movement in clip.movements):
        raise AtmeError(
            "too-little",
            "no micro-expression in these clips; simulate more, or render more minutes with "
            "atme-train spot-benchmark",
        )
    drawn: list[View] = []
    rng = np.random.default_rng((of.seed, 9))

    def draw() -> Iterable[tuple[int, int]]:
        for number in range(count):
            drawn.append(view(clips, rng))
            yield number + 1, count

    advance("views", draw())
    with progress_bar("training the apex detector") as progress:
        panel = apexes.fit(apexes.stack(drawn), apexes.FitConfig(seed=of.seed), progress)
    apexes.export(panel, {**about, "views": str(count)}, out / DETECTOR)


def fit_classifier(of: Material, workers: int, about: Mapping[str, str], out: Path, advance: Advance) -> None:
    """Writes the classifier into ``out``, where the apex detector is; AtmeError where there is too little to
    learn from."""
    seen: list[Snapshot] = []
    work = partial(_simulated_snapshots, of.seed, out / DETECTOR)
    for found in _each(work, range(of.simulated), workers, "movements in simulated clips", advance):
        seen += found
    for root, videos in of.benchmarks.items():
        look = partial(in_view, root / ".signals", out / DETECTOR)
        wanted = views(videos, classifier.MIXTURES, of.seed)
        for found in _each(look, wanted, workers, f"{root}: movements", advance):
            seen += found
    if not seen:
        raise AtmeError(
            "too-little",
            "nothing moved in these clips; simulate more, or render more minutes with "
            "atme-train spot-benchmark",
        )
    with progress_bar("training the classifier") as progress:
        panel = classifier.fit(stack(seen), classifier.FitConfig(seed=of.seed), progress)
    classifier.export(panel, {**about, "movements": str(len(seen))}, out / CLASSIFIER)


def _each(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, what: str, advance: Advance
) -> list[Result]:
    """What ``work`` makes of each of the items, in their order."""
    parts: dict[int, Result] = {}

    def done() -> Iterable[tuple[int, int]]:
        for index, found in in_process(work, items) if workers < 2 else local(work, items, workers):
            parts[index] = found
            yield len(parts), len(items)

    if items:
        advance(what, done())
    return [parts[index] for index in range(len(items))]


def _simulated_steps(seed: int, number: int) -> list[Clip]:
    return _in_steps(*simulated.clip(seed, number))


def _in_steps(video: LongVideo, samples: Sequence[MotionSample]) -> list[Clip]:
    """None where a face is hardly seen."""
    found = steps(samples)
    return [] if found is None else [in_steps(found, video.movements)]


def _simulated_snapshots(seed: int, detector: Path, number: int) -> list[Snapshot]:
    thresholds = THRESHOLDS[number % len(THRESHOLDS)]
    return list(met(*simulated.view(seed, number), thresholds, ApexDetector(detector)))
