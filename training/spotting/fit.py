"""Trains the two networks of the spotter on measured benchmarks: the apex detector, then the classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from training.datasets.long_video import LongVideo
from training.spotting.apexes import fit as apexes
from training.spotting.apexes.steps import steps
from training.spotting.apexes.views import Clip, View, in_steps, view
from training.spotting.classifier import fit as classifier
from training.spotting.classifier.lids import lifelike_lids
from training.spotting.classifier.snapshots import Snapshot, looked_at, stack, views
from training.spotting.evaluate import CLASSIFIER, DETECTOR
from training.spotting.signal import signal_of

Benchmarks = Mapping[Path, Sequence[LongVideo]]
"""Folder → its clips, whose signals are in ``.signals`` there."""
Advance = Callable[[str, Iterable[tuple[int, int]]], None]
"""Runs through (done, of how many), and shows it."""

VIEWS = 12
"""Views of each clip, on average, that the apex detector learns from."""


def fit_detector(
    benchmarks: Benchmarks, seed: int, about: Mapping[str, str], out: Path, advance: Advance
) -> None:
    """Writes the apex detector into ``out``; AtmeError where there is too little to learn from."""
    clips: list[Clip] = []
    for root, videos in benchmarks.items():
        for video in videos:
            samples = signal_of(video, root / ".signals").samples
            found = steps(lifelike_lids(video, samples, crc32(video.name.encode())))
            if found is not None:
                clips.append(in_steps(found, video.movements))
    if not any(movement.kind == "micro" for clip in clips for movement in clip.movements):
        raise AtmeError(
            "too-little",
            "no micro-expression in these clips; render more minutes with atme-train spot-benchmark",
        )
    drawn: list[View] = []
    rng = np.random.default_rng((seed, 9))

    count = VIEWS * len(clips)

    def draw() -> Iterable[tuple[int, int]]:
        for number in range(count):
            drawn.append(view(clips, rng))
            yield number + 1, count

    advance("views", draw())
    with progress_bar("training the apex detector") as progress:
        panel = apexes.fit(apexes.stack(drawn), apexes.FitConfig(seed=seed), progress)
    apexes.export(panel, {**about, "views": str(count)}, out / DETECTOR)


def fit_classifier(
    benchmarks: Benchmarks, seed: int, workers: int, about: Mapping[str, str], out: Path, advance: Advance
) -> None:
    """Writes the classifier into ``out``, where the apex detector is."""
    seen: list[Snapshot] = []
    for root, videos in benchmarks.items():
        parts: dict[int, list[Snapshot]] = {}
        wanted = views(videos, classifier.MIXTURES, seed)
        looked = looked_at(wanted, root / ".signals", out / DETECTOR, workers, parts)
        advance(f"{root}: movements", ((done, len(wanted)) for done in looked))
        seen += [snapshot for index in range(len(wanted)) for snapshot in parts[index]]
    if not seen:
        raise AtmeError(
            "too-little", "nothing moved in these clips; render more minutes with atme-train spot-benchmark"
        )
    with progress_bar("training the classifier") as progress:
        panel = classifier.fit(stack(seen), classifier.FitConfig(seed=seed), progress)
    classifier.export(panel, {**about, "movements": str(len(seen))}, out / CLASSIFIER)
