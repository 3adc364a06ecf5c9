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
from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo
from training.executors import in_process, local
from training.spotting.apexes import fit as apexes
from training.spotting.apexes.foreseen import Foreseen
from training.spotting.apexes.network import Panel
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

MEMBERS = 2
"""Networks whose mean the apex detector is; each learns from views of its own."""
VIEWS, SIMULATED_VIEWS = 12.0, 2.5
"""Views of each rendered and of each simulated clip, on average, that one of them learns from."""
SEED = 3
"""The first seed of simulated clips to learn from: those below are free to measure on."""


@dataclass(frozen=True)
class Material:
    """What the networks learn from."""

    benchmarks: Mapping[Path, Sequence[LongVideo]]
    """Folder → its clips, whose signals are in ``.signals`` there."""
    simulated: int
    """How many clips are simulated; the classifier learns from every other one."""
    seed: int
    beside: Path | None = None
    """A folder of other networks, whose members are averaged with the new ones."""


def fit_detector(of: Material, workers: int, about: Mapping[str, str], out: Path, advance: Advance) -> Panel:
    """The apex detector, also written into ``out``; AtmeError where there is too little to learn from."""
    clips: list[Clip] = []
    for root, videos in of.benchmarks.items():
        for video in videos:
            samples = signal_of(video, root / ".signals").samples
            clips += _in_steps(video, lifelike_lids(video, samples, crc32(video.name.encode())))
    count = round(VIEWS * len(clips) + SIMULATED_VIEWS * of.simulated)
    work = partial(_simulated_steps, SEED + of.seed)
    for found in _each(work, range(of.simulated), workers, "simulated clips", advance):
        clips += found
    if not any(movement.kind == "micro" for clip in clips for movement in clip.movements):
        raise AtmeError(
            "too-little",
            "no micro-expression in these clips; simulate more, or render more minutes with "
            "atme-train spot-benchmark",
        )
    members = []
    for number in range(MEMBERS):
        which, drawn = f"member {number + 1} of {MEMBERS}", list[View]()
        advance(f"views for {which}", _draw(clips, count, of.seed + number, drawn))
        with progress_bar(f"training the apex detector, {which}") as progress:
            shown = apexes.stack(drawn)
            members.append(apexes.fit(shown, apexes.FitConfig(), of.seed + number, progress))
    panel = Panel(members).eval()
    if of.beside is not None:
        panel.members.extend(Panel.read(of.beside / DETECTOR).members)
    apexes.export(panel, {**about, "views": str(MEMBERS * count)}, out / DETECTOR)
    return panel


def _draw(clips: Sequence[Clip], count: int, seed: int, drawn: list[View]) -> Iterable[tuple[int, int]]:
    """Adds ``count`` views to ``drawn``."""
    rng = np.random.default_rng((seed, 9))
    for number in range(count):
        drawn.append(view(clips, rng))
        yield number + 1, count


def fit_classifier(
    of: Material, detector: Panel, workers: int, about: Mapping[str, str], out: Path, advance: Advance
) -> None:
    """Writes the classifier of what is noticed beside that detector into ``out``; AtmeError where there is
    too little to learn from."""
    seen: list[Snapshot] = []
    work = partial(_simulated_snapshots, SEED + of.seed, detector)
    for found in _each(work, range(0, of.simulated, 2), workers, "movements in simulated clips", advance):
        seen += found
    for root, videos in of.benchmarks.items():
        look = partial(in_view, root / ".signals", detector)
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
    if of.beside is not None:
        panel.members.extend(classifier.Panel.read(of.beside / CLASSIFIER).members)
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


def _simulated_snapshots(seed: int, detector: Panel, number: int) -> list[Snapshot]:
    thresholds = THRESHOLDS[number % len(THRESHOLDS)]
    video, samples = simulated.view(seed, number)
    return list(met(video, samples, thresholds, Foreseen(detector, samples)))
