"""One network from all samples, for use: trained like a fold, exported for the live program."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from recognizer.errors import AtmeError, read_code
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.network.model_info import ModelInfo
from recognizer.recognition import CLASSES
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive
from training.learning.correction import network_of, without_correction
from training.learning.engine import Recipe, multiplies_bfloat16, predict, train
from training.learning.evidence import Evidence, Refusing
from training.learning.export import export
from training.learning.pretrain import FlipAveraged
from training.learning.stacked.model import State
from training.learning.weights import load_evidence, load_state, save_state
from training.loso.folds import Fold
from training.loso.run import training_set
from training.models.method import Predict

Watch = Callable[[int, FeatureArchive, Predict], None]
"""Called with the number of finished epochs (drawn batches and a correction are one), 0 before the first,
with the samples and with the network in its present state; it cannot influence training."""


def fit(
    features: Path,
    out: Path,
    recipe: Recipe,
    init: Path | None,
    run: Path | None,
    command: str,
    watch: Watch = lambda epoch, archive, network: None,
) -> None:
    """Trains on every sample of ``features`` and writes ``out``: .onnx for use, .safetensors for ``export``.

    The result recognises "no emotion" as ``init`` does (``learning.evidence``) or, where ``init`` is missing
    or knows only emotions, as the weights that come with the program. ``run``: folder of a
    leave-one-subject-out run with the same recipe; the temperature is calibrated on its predictions of unseen
    subjects. AtmeError for files that do not fit together.
    """
    archive = feature_archive.load(features)
    evidence = evidence_of(init)
    temperature = 1.0 if run is None else calibrated(run)
    start = None
    if init is not None:
        start = out.with_suffix(".start.safetensors")
        save_state(without_correction(load_state(init)), start)

    def told(epoch: int, states: list[State]) -> None:
        watch(epoch, archive, partial(predict, states[0], flip_average=recipe.flip_average))

    try:
        rows = np.arange(len(archive))
        item = training_set(archive, Fold("all", rows, rows[:0]), 0, recipe, start)
        told(0, [item.start])
        (state,) = train([item], recipe, half=multiplies_bfloat16(), watch=told)
    finally:
        if start is not None:
            start.unlink(missing_ok=True)
    if out.suffix == ".safetensors":
        return save_state(state | evidence.to_state(), out)
    network = network_of(state)
    model = Refusing(FlipAveraged(network) if recipe.flip_average else network, evidence, temperature)
    databases = ", ".join(np.unique(archive.database).tolist())
    people = len(set(zip(archive.database.tolist(), archive.subject.tolist(), strict=True)))
    info = ModelInfo(
        name=out.stem,
        trained_on=f"{databases}: {len(archive)} samples of {people} subjects"
        + (f", from the weights {init.name}" if init else ""),
        command=command,
        temperature=temperature,
        nothing=True,
        refusal=evidence.refusal,
        **evidence.unit_info(),
    )
    export(model, info, out)


def evidence_of(weights: Path | None) -> Evidence:
    """What these weights know about "no emotion", or else those that come with the program."""
    found = load_evidence(weights) if weights is not None else None
    found = found or load_evidence(DEFAULT_WEIGHTS)
    assert found is not None, "the weights that come with the program can refuse"
    return found


def calibrated(run: Path) -> float:
    """Temperature from a run folder's ``predictions.csv``."""
    label, probabilities = _predictions(run / "predictions.csv")
    log_p = torch.from_numpy(np.log(np.maximum(probabilities, 1e-9)))
    truth = torch.from_numpy(label)
    temperatures = torch.linspace(np.log(0.1), np.log(10.0), 200, dtype=torch.float64).exp()
    losses = [float(nn.functional.cross_entropy(log_p / t, truth)) for t in temperatures]
    return round(float(temperatures[int(np.argmin(losses))]), 4)


def _predictions(file: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        label = np.array([CLASSES.index(row["label"]) for row in rows], np.int64)
        probabilities = np.array([[float(row[name]) for name in CLASSES] for row in rows])
    except (OSError, KeyError, ValueError) as error:
        raise AtmeError(
            read_code(error), f"{file}: not the predictions of a finished run ({error})"
        ) from None
    if not rows:
        raise AtmeError("too-little", f"{file}: holds no predictions; finish the run first")
    return label, probabilities
