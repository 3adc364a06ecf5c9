"""Runs leave-one-subject-out: folds × seeds, each subject predicted exactly once (method §7, law 6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from recognizer.errors import AtmeError
from training.executors import in_process, local, on_ray
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive
from training.learning.correction import without_correction
from training.learning.engine import (
    Recipe,
    TrainingSet,
    initial_state,
    multiplies_bfloat16,
    predict,
    steps_of,
    train,
)
from training.learning.stacked.model import State
from training.learning.weights import load_state, named_with_digest, save_state
from training.loso.folds import (
    Fold,
    content_hash,
    faces_hash,
    fold_seed,
    leave_one_subject_out,
    split_hash,
)
from training.loso.grad_cam import attention
from training.loso.run_folder import FoldResult, RunFolder, Setting
from training.models.method import Fitting, Predict
from training.models.registry import find

FINE_TUNING = Recipe(steps=60, learning_rate=5e-4, balance=0.5, synthetic=1 / 3, flip_average=True)
"""From pre-trained weights: few batches, mildly balanced, a third of them synthetic."""

SYNTHETIC_SAMPLES = 4000
"""Size of the pool from which the synthetic samples of batches are drawn."""

DUAL_ATME = "dual-atme"

MODELS_ON_GPU = 136
"""Networks trained side by side on a GPU: two seeds of MEGC2019-CD."""


@dataclass(frozen=True)
class LosoConfig:
    """One run."""

    features: Path
    out: Path
    seeds: tuple[int, ...] = (0,)
    recipe: Recipe = field(default_factory=Recipe)
    init: tuple[Path, ...] = ()
    """Pre-trained weights: one file for all seeds, or one per seed; empty: folds start from random
    weights."""
    show_leak: bool = False
    executor: str = "local"
    """``local`` or ``ray``."""
    workers: int = 1
    model: str = DUAL_ATME
    """Name in ``models.registry``."""
    fitting: Fitting = field(default_factory=Fitting)
    grad_cam: bool = False
    """Keep the network's attention for every tested sample."""

    @property
    def stacked(self) -> bool:
        """Whether the fast engine can do it; it knows only Dual-ATME as the paper trains it."""
        return self.model == DUAL_ATME and self.fitting == Fitting()


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
    attention: npt.NDArray[np.float32] | None
    """(N, 2, 7, 7) Grad-CAM of the first seed, see ``loso.grad_cam``; only with ``grad_cam``."""
    settings: dict[str, Setting]
    seconds: float
    """Computing time of all folds together."""


@dataclass(frozen=True)
class _Job:
    """Some folds of one seed: all that a worker needs to know."""

    config: LosoConfig
    seed: int
    folds: tuple[int, ...]
    start: Path | None
    device: str
    half: bool


Progress = Callable[[int, int], None]
"""Called with the number of finished trainings and their total."""
Finished = Callable[[FeatureArchive, Fold, FoldResult], None]
"""Called with each fold as it finishes, those of an earlier call first."""


def run_loso(
    config: LosoConfig, progress: Progress = lambda done, total: None, finished: Finished | None = None
) -> LosoRun:
    """Trains whatever is not finished yet and collects everything.

    AtmeError for an archive that cannot be split, weights that do not fit, or the folder of another run.
    """
    method = find(config.model)
    if len(config.init) not in (0, 1, len(config.seeds)):
        raise AtmeError(
            "invalid",
            f"{len(config.init)} times --init for {len(config.seeds)} seeds; give one for all or for each",
        )
    if not config.stacked:
        for flag, given in (("--init", bool(config.init)), ("--grad-cam", config.grad_cam)):
            if given:
                raise AtmeError("invalid", f"{flag} works only with --model {DUAL_ATME}; leave it out")
    archive = feature_archive.load(config.features)
    if method.needs_faces and archive.faces is None:
        raise AtmeError(
            "mismatch",
            f"{config.features}: holds no faces, and {method.title} needs them; prepare it again with "
            "--keep-faces",
        )
    folds = leave_one_subject_out(archive, str(config.features))
    config = replace(config, features=config.features.resolve())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    half = device == "cpu" and multiplies_bfloat16()
    settings = _settings(config, archive, half)
    folder = RunFolder(config.out, settings)
    starts = _starts(config)
    jobs = list(_jobs(config, folds, folder, starts, device, half))
    total = len(folds) * len(config.seeds)
    done = total - sum(len(job.folds) for job in jobs)
    progress(done, total)
    if finished is not None:
        for seed, index in product(config.seeds, range(len(folds))):
            if folder.has(seed, index):
                finished(archive, folds[index], folder.load(seed, index))
    for results in _execute(config, jobs, device):
        for result in results:
            folder.save(result)
            if finished is not None:
                finished(archive, folds[result.fold], result)
        done += len(results)
        progress(done, total)
    return _collect(config, archive, folds, folder, settings)


def _starts(config: LosoConfig) -> list[Path | None]:
    """The weights that each seed starts from, as files of the run folder."""
    files: list[Path | None] = []
    for number, init in enumerate(config.init):
        file = config.out.resolve() / f"start-{number}.safetensors"
        if not file.is_file():
            save_state(without_correction(load_state(init)), file)
        files.append(file)
    each = files or [None]
    return each * len(config.seeds) if len(each) == 1 else each


def _settings(config: LosoConfig, archive: FeatureArchive, half: bool) -> dict[str, Setting]:
    """Everything that must be equal for two runs to share results."""
    return {
        "model": config.model,
        "features": config.features.name,
        "content_hash": content_hash(archive),
        "split_hash": split_hash(archive),
        "init": ", ".join(map(named_with_digest, config.init)) or "none",
        "precision": "bfloat16 products" if half else "float32",
        "show_leak": config.show_leak,
        "grad_cam": config.grad_cam,
        "synthetic_samples": SYNTHETIC_SAMPLES if config.recipe.synthetic else 0,
        **asdict(config.recipe),
        **asdict(config.fitting),
        **({"faces_hash": faces_hash(archive)} if find(config.model).needs_faces else {}),
    }


def _jobs(
    config: LosoConfig,
    folds: list[Fold],
    folder: RunFolder,
    starts: list[Path | None],
    device: str,
    half: bool,
) -> Iterator[_Job]:
    """What is left to do; on a GPU many folds at once, all with the same number of steps."""
    most = MODELS_ON_GPU if device == "cuda" and config.stacked else 1
    for seed, start in zip(config.seeds, starts, strict=True):
        groups: dict[int, list[int]] = {}
        for index, fold in enumerate(folds):
            if not folder.has(seed, index):
                groups.setdefault(steps_of(len(fold.train), config.recipe), []).append(index)
        for group in groups.values():
            for first in range(0, len(group), most):
                some = tuple(group[first : first + most])
                yield _Job(config, seed, some, start, device, half)


def _execute(config: LosoConfig, jobs: list[_Job], device: str) -> Iterator[list[FoldResult]]:
    if config.executor == "ray":
        results = on_ray(_run, jobs, gpus=0.5 if device == "cuda" else 0)
    elif config.executor != "local":
        raise AtmeError("invalid", f"executor '{config.executor}' is unknown; expected local or ray")
    elif device == "cuda":
        results = in_process(_run, jobs)
    else:
        results = local(_run, jobs, min(config.workers, max(len(jobs), 1)))
    for _, result in results:
        yield result


def _run(job: _Job) -> list[FoldResult]:
    """Trains, and only then predicts. In a worker process."""
    started = time.perf_counter()
    config = job.config
    archive = _archive(config.features)
    folds = leave_one_subject_out(archive, str(config.features))
    chosen = [folds[index] for index in job.folds]
    sets = [training_set(archive, fold, job.seed, config.recipe, job.start) for fold in chosen]
    tests = [archive.pairs(fold.test) for fold in chosen]
    leaks: list[list[npt.NDArray[np.float64]]] = [[] for _ in chosen]

    def peek(_: int, methods: list[Predict]) -> None:
        """Predicts the test folds after each epoch, for the record only; training never sees the result."""
        for leak, method, test in zip(leaks, methods, tests, strict=True):
            leak.append(method(test))

    methods, states = _learn(job, sets, peek if config.show_leak else None)
    seconds = (time.perf_counter() - started) / len(chosen)
    results = []
    for k, (index, test) in enumerate(zip(job.folds, tests, strict=True)):
        looked = attention(states[k], test, archive.label[chosen[k].test]) if config.grad_cam else None
        leak = np.stack(leaks[k]) if config.show_leak else None
        results.append(FoldResult(job.seed, index, methods[k](test), leak, looked, seconds))
    return results


def _learn(
    job: _Job, sets: list[TrainingSet], watch: Callable[[int, list[Predict]], None] | None
) -> tuple[list[Predict], list[State]]:
    """The trained methods, one per set, and for Dual-ATME their weights."""
    config = job.config
    if not config.stacked:
        (item,) = sets
        alone = None if watch is None else lambda epoch, method: watch(epoch, [method])
        method = find(config.model)
        return [method.learn(item, config.recipe, config.fitting, job.device, job.half, alone)], []

    def named(states: list[State]) -> list[Predict]:
        return [partial(predict, state, flip_average=config.recipe.flip_average) for state in states]

    each = None if watch is None else lambda epoch, states: watch(epoch, named(states))
    states = train(sets, config.recipe, job.device, job.half, each)
    return named(states), states


def training_set(
    archive: FeatureArchive, fold: Fold, seed: int, recipe: Recipe, start: Path | None
) -> TrainingSet:
    """What the model of this fold may learn from: the training rows, and synthetic samples if requested."""
    own = fold_seed(seed, fold.name)
    features = [archive.entire[fold.train], archive.puzzled[fold.train]]
    label = archive.label[fold.train]
    if recipe.synthetic:
        made_up = _synthetic(seed)
        features = [np.concatenate(pair) for pair in zip(features, made_up[:2], strict=True)]
        label = np.concatenate([label, made_up[2]])
    state = load_state(start) if start else initial_state(own)
    faces = archive.faces_of(fold.train)
    return TrainingSet(features[0], features[1], label, len(fold.train), own, state, faces)


@cache
def _archive(path: Path) -> FeatureArchive:
    return feature_archive.load(path, told=True)  # by the parent


@cache
def _synthetic(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    from training.synthesis.flow import synthetic_archive
    from training.synthesis.random_motion import SynthesisConfig

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
        _first_seed([part.attention for part in parts[0]], order),
        settings,
        sum(part.seconds for row in parts for part in row),
    )


def _first_seed(
    pieces: list[npt.NDArray[np.float32] | None], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32] | None:
    present = [piece for piece in pieces if piece is not None]
    return np.concatenate(present)[order] if present else None
