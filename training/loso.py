"""Leave-one-subject-out: folds × seeds trained strictly, each subject predicted once (method §7, law 6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from recognizer.errors import AtmeError
from training import feature_archive
from training.engine import (
    Recipe,
    TrainingSet,
    Watch,
    initial_state,
    multiplies_bfloat16,
    predict,
    steps_of,
    train,
)
from training.executors import in_process, local, on_ray
from training.feature_archive import FeatureArchive
from training.folds import Fold, content_hash, fold_seed, leave_one_subject_out, split_hash
from training.run_folder import FoldResult, RunFolder, Setting
from training.stacked_model import State
from training.weights import load_state, save_state

FINE_TUNING = Recipe(steps=60, learning_rate=5e-4, balance=0.5, synthetic=1 / 3, flip_average=True)
"""From pre-trained weights: few batches, mildly balanced, a third of them synthetic."""

SYNTHETIC_SAMPLES = 4000
"""The pool from which synthetic shares of batches are drawn."""

MODELS_ON_GPU = 136
"""Networks trained side by side on a graphics card: two seeds of MEGC2019-CD."""


@dataclass(frozen=True)
class LosoConfig:
    """One run."""

    features: Path
    out: Path
    seeds: tuple[int, ...] = (0,)
    recipe: Recipe = field(default_factory=Recipe)
    init: Path | None = None
    """Pre-trained weights; None: every fold starts from random ones."""
    show_leak: bool = False
    executor: str = "local"
    """``local`` or ``ray``."""
    workers: int = 1


@dataclass(frozen=True)
class LosoRun:
    """Every prediction of a finished run."""

    archive: FeatureArchive
    folds: list[Fold]
    seeds: tuple[int, ...]
    probabilities: npt.NDArray[np.float64]
    """(seeds, N, 3), in the archive's order."""
    leak: npt.NDArray[np.float64] | None
    """(seeds, epochs, N, 3), only with ``show_leak``."""
    settings: dict[str, Setting]
    seconds: float
    """Computing time of all folds together."""


@dataclass(frozen=True)
class _Job:
    """Some folds of one seed; all that a worker needs to know."""

    features: Path
    seed: int
    folds: tuple[int, ...]
    recipe: Recipe
    start: Path | None
    show_leak: bool
    device: str
    half: bool


Progress = Callable[[int, int], None]
"""Called with the number of finished trainings and of all."""


def run_loso(config: LosoConfig, progress: Progress = lambda done, total: None) -> LosoRun:
    """Trains what is not finished yet and collects everything.

    AtmeError for an archive that cannot be split, weights that do not fit, or a folder of another run.
    """
    archive = feature_archive.load(config.features)
    folds = leave_one_subject_out(archive, str(config.features))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    half = device == "cpu" and multiplies_bfloat16()
    settings = _settings(config, archive, half)
    folder = RunFolder(config.out, settings)
    start = None
    if config.init is not None:
        start = config.out / "start.safetensors"
        if not start.is_file():
            save_state(load_state(config.init), start)
    jobs = list(_jobs(config, folds, folder, start, device, half))
    total = len(folds) * len(config.seeds)
    done = total - sum(len(job.folds) for job in jobs)
    progress(done, total)
    for results in _execute(config, jobs, device):
        for result in results:
            folder.save(result)
        done += len(results)
        progress(done, total)
    return _collect(config, archive, folds, folder, settings)


def _settings(config: LosoConfig, archive: FeatureArchive, half: bool) -> dict[str, Setting]:
    """What must be equal for two runs to share results."""
    return {
        "features": config.features.name,
        "content_hash": content_hash(archive),
        "split_hash": split_hash(archive),
        "init": config.init.name if config.init else "none",
        "precision": "bfloat16 products" if half else "float32",
        "show_leak": config.show_leak,
        "synthetic_samples": SYNTHETIC_SAMPLES if config.recipe.synthetic else 0,
        **asdict(config.recipe),
    }


def _jobs(
    config: LosoConfig, folds: list[Fold], folder: RunFolder, start: Path | None, device: str, half: bool
) -> Iterator[_Job]:
    """What is left to do; on a graphics card many folds at once, all of one number of steps."""
    most = MODELS_ON_GPU if device == "cuda" else 1
    for seed in config.seeds:
        groups: dict[int, list[int]] = {}
        for index, fold in enumerate(folds):
            if not folder.has(seed, index):
                groups.setdefault(steps_of(len(fold.train), config.recipe), []).append(index)
        for group in groups.values():
            for first in range(0, len(group), most):
                some = tuple(group[first : first + most])
                yield _Job(
                    config.features.resolve(),
                    seed,
                    some,
                    config.recipe,
                    start.resolve() if start else None,
                    config.show_leak,
                    device,
                    half,
                )


def _execute(config: LosoConfig, jobs: list[_Job], device: str) -> Iterator[list[FoldResult]]:
    if config.executor == "ray":
        results = on_ray(_run, jobs, gpus=0.5 if device == "cuda" else 0)
    elif config.executor != "local":
        raise AtmeError(f"executor '{config.executor}' is unknown; expected local or ray")
    elif device == "cuda":
        results = in_process(_run, jobs)
    else:
        results = local(_run, jobs, min(config.workers, max(len(jobs), 1)))
    for _, result in results:
        yield result


def _run(job: _Job) -> list[FoldResult]:
    """Trains, and only then predicts. In a worker process."""
    started = time.perf_counter()
    archive = _archive(job.features)
    folds = leave_one_subject_out(archive, str(job.features))
    chosen = [folds[index] for index in job.folds]
    sets = [training_set(archive, fold, job.seed, job.recipe, job.start) for fold in chosen]
    leaks: list[list[npt.NDArray[np.float64]]] = [[] for _ in chosen]
    watch = _peek(archive, chosen, job.recipe, leaks) if job.show_leak else None
    states = train(sets, job.recipe, job.device, job.half, watch)
    seconds = (time.perf_counter() - started) / len(chosen)
    return [
        FoldResult(
            job.seed,
            index,
            _predict_fold(state, archive, fold, job.recipe),
            np.stack(leak) if job.show_leak else None,
            seconds,
        )
        for index, fold, state, leak in zip(job.folds, chosen, states, leaks, strict=True)
    ]


def training_set(
    archive: FeatureArchive, fold: Fold, seed: int, recipe: Recipe, start: Path | None
) -> TrainingSet:
    """What the model of this fold may learn from: the training rows, and synthetic samples if wanted."""
    own = fold_seed(seed, fold.name)
    features = [archive.entire[fold.train], archive.puzzled[fold.train]]
    label = archive.label[fold.train]
    if recipe.synthetic:
        made_up = _synthetic(seed)
        features = [np.concatenate(pair) for pair in zip(features, made_up[:2], strict=True)]
        label = np.concatenate([label, made_up[2]])
    state = load_file(start) if start else initial_state(own)
    return TrainingSet(features[0], features[1], label, len(fold.train), own, state)


def _predict_fold(
    state: State, archive: FeatureArchive, fold: Fold, recipe: Recipe
) -> npt.NDArray[np.float64]:
    return predict(state, archive.entire[fold.test], archive.puzzled[fold.test], recipe.flip_average)


def _peek(
    archive: FeatureArchive,
    folds: list[Fold],
    recipe: Recipe,
    leaks: list[list[npt.NDArray[np.float64]]],
) -> Watch:
    """Predicts the test folds after each epoch, for the record; training hears nothing of it."""

    def watch(_: int, states: list[State]) -> None:
        for leak, state, fold in zip(leaks, states, folds, strict=True):
            leak.append(_predict_fold(state, archive, fold, recipe))

    return watch


@cache
def _archive(path: Path) -> FeatureArchive:
    return feature_archive.load(path)


@cache
def _synthetic(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    from training.flow_synthesis import synthetic_archive
    from training.random_motion import SynthesisConfig

    made_up = synthetic_archive(SYNTHETIC_SAMPLES, 1_000_000 + seed, SynthesisConfig(non_events=0))
    return made_up.entire, made_up.puzzled, made_up.label


def _collect(
    config: LosoConfig,
    archive: FeatureArchive,
    folds: list[Fold],
    folder: RunFolder,
    settings: dict[str, Setting],
) -> LosoRun:
    parts = [[folder.load(seed, index) for index in range(len(folds))] for seed in config.seeds]
    order = np.argsort(np.concatenate([fold.test for fold in folds]))

    def gathered(pieces: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        return np.concatenate(pieces, axis=-2)[..., order, :]

    leak = None
    if config.show_leak:
        leak = np.stack([gathered([part.leak for part in row if part.leak is not None]) for row in parts])
    return LosoRun(
        archive,
        folds,
        config.seeds,
        np.stack([gathered([part.probabilities for part in row]) for row in parts]),
        leak,
        settings,
        sum(part.seconds for row in parts for part in row),
    )
