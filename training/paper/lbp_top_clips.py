"""LBP-TOP under the protocol of the others: descriptors from a dataset's clips, folds from an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.feature import FeatureExtractor
from recognizer.files.image import read_image
from recognizer.files.write import replacing
from training.datasets.registry import find
from training.datasets.sample import Sample
from training.executors import local
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive
from training.features.pair import WORKING_SIZE
from training.loso.folds import content_hash, leave_one_subject_out, split_hash
from training.loso.run import LosoConfig, LosoRun, Progress
from training.loso.run_folder import Setting
from training.models.hand_crafted.classifier import linear_svm
from training.models.hand_crafted.lbp_top import FRAMES, describe


@dataclass(frozen=True)
class Clips:
    """Where the clips behind an archive's samples are."""

    dataset: str
    """Name in ``datasets.registry``."""
    root: Path

    def run(self, config: LosoConfig, progress: Progress) -> LosoRun:
        """Computes every clip's descriptor (kept in ``config.out``), then trains and tests fold by fold.

        AtmeError where a sample of the archive has no clip, or its clip no face. The support vector machine
        has no seed: all seeds give the same predictions.
        """
        archive = feature_archive.load(config.features)
        folds = leave_one_subject_out(archive, str(config.features))
        total = len(folds) * len(config.seeds)  # nearly all of the time is spent on the clips, not the folds

        def described(share: float) -> None:
            progress(int(share * (total - 1)), total)

        features = _descriptors(self._samples(archive), config.out / "clips", config.workers, described)
        probabilities = np.zeros((len(archive), 3))
        for fold in folds:
            predict = linear_svm(features[fold.train], archive.label[fold.train])
            probabilities[fold.test] = predict(features[fold.test])
        progress(total, total)
        settings: dict[str, Setting] = {
            "model": "lbp-top",
            "features": config.features.name,
            "content_hash": content_hash(archive),
            "split_hash": split_hash(archive),
            "dataset": self.dataset,
            "frames": FRAMES,
        }
        every = np.repeat(probabilities[None], len(config.seeds), axis=0)
        return LosoRun(archive, folds, config.seeds, every, None, None, settings, 0.0)

    def _samples(self, archive: FeatureArchive) -> list[Sample]:
        """In the archive's order."""
        loaded = find(self.dataset).load(self.root).samples
        known = {(one.database, one.subject, f"{one.subject}_{one.clip}"): one for one in loaded}
        names = zip(archive.database.tolist(), archive.subject.tolist(), archive.sample.tolist(), strict=True)
        wanted = list(names)
        for name in wanted:
            if name not in known:
                raise AtmeError(
                    "mismatch",
                    f"{self.root}: {self.dataset} has no clip for the archive's sample {'/'.join(name)}; "
                    "LBP-TOP needs the dataset from which the archive was prepared",
                )
        return [known[name] for name in wanted]


def _descriptors(
    samples: Sequence[Sample], folder: Path, workers: int, described: Callable[[float], None]
) -> npt.NDArray[np.float64]:
    """(N, numbers); those in ``folder`` are not computed again. ``described`` is told the finished share."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{folder}: cannot make this folder ({error.strerror or error})"
        ) from None
    paths = [folder / f"{hashlib.sha256(sample.id.encode()).hexdigest()[:24]}.npy" for sample in samples]
    todo = [pair for pair in zip(samples, paths, strict=True) if not pair[1].is_file()]
    if todo:
        for done, _ in enumerate(local(_describe, todo, min(workers, len(todo))), 1):
            described(1 - (len(todo) - done) / len(samples))
    return np.stack([np.load(path, allow_pickle=False) for path in paths])


def _describe(item: tuple[Sample, Path]) -> None:
    """In a worker process."""
    sample, path = item
    chosen = np.linspace(0, len(sample.frames) - 1, FRAMES).round().astype(int)
    onset, extractor = read_image(sample.onset_path), _extractor()
    try:
        faces = [extractor.extract(onset, read_image(sample.frames[k][1])).faces[1] for k in chosen]
    except AtmeError as error:
        raise AtmeError(error.code, f"LBP-TOP: {sample.id}: {error}") from None
    with replacing(path) as draft, draft.open("wb") as file:
        np.save(file, describe(np.stack(faces)))


@cache
def _extractor() -> FeatureExtractor:
    """A worker process's extractor; the crop found in the onset frame serves the whole clip."""
    cv2.setNumThreads(1)
    return FeatureExtractor(WORKING_SIZE)
