"""Minutes of one seed of leave-one-subject-out on a dataset of MEGC2019-CD's size: a plain loop, and ours.

    python -m benchmarks.loso_speed            # a few folds and epochs of both, alternating, extrapolated
    python -m benchmarks.loso_speed --full     # also the whole thing, ours: 68 folds, 60 epochs

The features are synthetic (442 samples, 68 subjects): their content does not affect the time. The plain loop
is the obvious implementation: ``DualAtme``, batches as from a DataLoader, Adam, torch's own threads.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from recognizer.errors import AtmeError
from recognizer.network.model import DualAtme
from training.executors import one_thread
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive
from training.learning.engine import Recipe, TrainingSet, initial_state, multiplies_bfloat16, normalise, train
from training.learning.pretrain import focal_loss
from training.learning.unit_head import mirror
from training.loso.folds import leave_one_subject_out
from training.loso.report import report
from training.loso.run import LosoConfig, run_loso
from training.synthesis.flow import synthetic_archive
from training.synthesis.random_motion import SynthesisConfig

Rows = npt.NDArray[np.intp]
"""Which samples of the archive."""
SAMPLES, SUBJECTS, EPOCHS = 442, 68, 60
SHORT, LONG = 2, 7
"""Epochs of two runs: their difference gives the cost of an epoch, the rest is a fold's preparation."""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def like_megc2019() -> FeatureArchive:
    """442 samples of 68 subjects with very different numbers of samples, as in the dataset."""
    archive = synthetic_archive(SAMPLES, 0, SynthesisConfig(non_events=0))
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(SUBJECTS) * 2)
    who = np.concatenate([np.arange(SUBJECTS), rng.choice(SUBJECTS, SAMPLES - SUBJECTS, p=share)])
    return replace(archive, subject=np.array([f"{k:02d}" for k in who]))


def plain_fold(archive: FeatureArchive, rows: Rows, epochs: int) -> float:
    """Seconds of one fold in the plain loop."""
    torch.manual_seed(0)
    started = time.perf_counter()
    entire, puzzled, label = (
        torch.from_numpy(x[rows]) for x in (archive.entire, archive.puzzled, archive.label)
    )
    entire, puzzled = normalise(entire), normalise(puzzled)
    model = DualAtme()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for index in torch.split(torch.randperm(len(label)), 128):
            flip = (torch.rand(len(index)) < 0.5)[:, None, None, None]
            x = torch.where(flip, mirror(entire[index]), entire[index])
            z = torch.where(flip, mirror(puzzled[index]), puzzled[index])
            maps = model.embed(x, z)
            target = F.one_hot(label[index], 3).float()
            alike = F.cosine_similarity(maps[0].flatten(1), maps[1].flatten(1)).mean()
            loss = focal_loss(model.classify(*maps), target, 2) + 0.01 * (1 - alike)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        schedule.step()
    return time.perf_counter() - started


def ours(archive_file: Path, out: Path, epochs: int) -> None:
    """Times a run of ``run_loso``, worker start-up included."""
    started = time.perf_counter()
    config = LosoConfig(archive_file, out, (0,), Recipe(epochs=epochs), workers=CORES)
    run = run_loso(config)
    seconds = time.perf_counter() - started
    uf1 = report(run).sets["all"].scores["uf1"].mean
    print(f"{len(run.folds)} folds, {epochs} epochs: {seconds / 60:.1f} min, UF1 {uf1:.3f}")


def processor_seconds(archive: FeatureArchive, rows: Rows, rounds: int) -> tuple[float, float]:
    """Processor seconds of a fold of ``EPOCHS`` on one thread, (plain, ours): the least of several rounds.

    Wall time would include everything else on the machine.
    """
    half = multiplies_bfloat16()
    data = TrainingSet(
        archive.entire[rows], archive.puzzled[rows], archive.label[rows], len(rows), 0, initial_state(0)
    )
    plain, mine = [], []
    for round_ in range(1 + rounds):
        one_thread()
        # The first round warms up and is not counted: compiling and loading would outweigh some epochs.
        lengths = (SHORT, LONG) if round_ else (1,)
        plain.append([_seconds(partial(plain_fold, archive, rows, n)) for n in lengths])
        mine.append([_seconds(partial(train, [data], Recipe(epochs=n), half=half)) for n in lengths])
    return whole_fold(plain[1:]), whole_fold(mine[1:])


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def whole_fold(rounds: list[list[float]]) -> float:
    """Seconds of a fold of ``EPOCHS``, from rounds of (``SHORT``, ``LONG``) epochs: the least of each.

    AtmeError where fewer epochs took as long: the figure would then be meaningless, or negative.
    """
    short, long = np.min(rounds, axis=0)
    if long <= short:
        raise AtmeError(
            "internal", f"{LONG} epochs took no longer than {SHORT}; measure again on an idle machine"
        )
    epoch = (long - short) / (LONG - SHORT)
    return float(short + (EPOCHS - SHORT) * epoch)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="also run all 68 folds for 60 epochs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    archive = like_megc2019()
    rows = leave_one_subject_out(archive, "benchmark")[0].train
    plain, mine = processor_seconds(archive, rows, options.rounds)
    torch.set_num_threads(CORES)
    threaded = min(plain_fold(archive, rows, 2) / 2 for _ in range(2))
    print(f"processor seconds a fold: plain {plain:.1f}, ours {mine:.1f}; {plain / mine:.1f} : 1")
    print(f"68 folds of 60 epochs on {CORES} cores, extrapolated:")
    print(f"plain loop, torch's threads, wall time here {threaded * EPOCHS * SUBJECTS / 60:6.1f} min")
    print(f"plain loop, one process per core            {plain * SUBJECTS / 60 / CORES:6.1f} min")
    print(f"ours, one process per core                  {mine * SUBJECTS / 60 / CORES:6.1f} min")
    if options.full:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "features.npz"
            feature_archive.save(archive, file)
            ours(file, Path(folder) / "run", EPOCHS)


if __name__ == "__main__":
    main()
