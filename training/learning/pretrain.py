"""Trains Dual-ATME on synthetic flow alone: the weights that the program is delivered with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.network.model import DualAtme, ModelConfig
from recognizer.network.model_info import ModelInfo
from recognizer.recognition import CLASSES
from recognizer.units import UNITS
from training.learning.engine import Bank, contrast_loss, mirrored, multiplies_bfloat16, normalise, pooled
from training.learning.export import export, round_to_half
from training.learning.stacked.model import Batch, StackedModels
from training.learning.unit_head import (
    OUTPUTS,
    UnitCalibration,
    UnitReader,
    calibrate_units,
    split,
    unit_loss,
    with_mirrored,
)
from training.synthesis.flow import synthesize
from training.synthesis.random_motion import NON_EVENT, SynthesisConfig


@dataclass(frozen=True)
class PretrainConfig:
    """One training run. The same configuration gives the same weights on one machine type."""

    seed: int = 0
    steps: int = 400
    batch: int = 256
    reuse: int = 3
    """How often a synthetic sample is used (mirrored at random); more is faster, less is more varied."""
    learning_rate: float = 1e-3
    gamma: float = 2.0
    """γ of the focal loss (method §6)."""
    contrast: float = 0.01
    """λ of the contrast loss between both branches (method §6)."""
    smoothing: float = 0.1
    """Label smoothing."""
    units: float = 2.0
    """Weight of the action units' mean cross-entropy beside the loss of the label."""
    average: float = 0.995
    """Decay of the running average of the weights, which is what is kept."""
    validation: int = 4000
    """Synthetic samples for calibration and the scores of the log."""
    refused: float = 0.13
    """Share of validation samples with an emotion that the refusal threshold may cost. They are harder than
    images: of rendered pairs from 0.5 px up it costs about one in twenty
    (``benchmarks/rendered_pairs.py``)."""
    threads: int = 1
    """One, so that sums are in the same order on every machine; a second would save a quarter of the time."""
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)


@dataclass(frozen=True)
class Calibration:
    """What the weights' metadata says about confidence."""

    temperature: float
    refusal: float
    accuracy: float
    """On synthetic validation events, before refusal."""
    non_events_refused: float
    units: UnitCalibration


class FlipAveraged(nn.Module):
    """The mean of the logits for a sample and for its mirror image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor:
        """(N, 3, 28, 28) float32 in [−1, 1] twice → (N, classes) logits."""
        logits, mirrored = with_mirrored(self.model, entire, puzzled)
        return (logits + mirrored) / 2


def targets(label: Tensor, smoothing: float) -> Tensor:
    """(N, classes + 1) soft targets: smoothed one-hot, the last column for "no emotion"."""
    outputs = len(CLASSES) + 1
    hot = F.one_hot(_columns(label), outputs).float()
    return hot * (1 - smoothing) + smoothing / outputs


def _columns(label: Tensor) -> Tensor:
    return torch.where(label == NON_EVENT, len(CLASSES), label)


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Focal loss for soft targets: −Σ t (1 − p)^γ log p, mean over samples."""
    log_p = F.log_softmax(logits, dim=1)
    return -(target * (1 - log_p.exp()).pow(gamma) * log_p).sum(dim=1).mean()


Progress = Callable[[int, float], None]
"""Called after every step with its number and its loss."""


def make_weights(config: PretrainConfig, out: Path, command: str, progress: Progress) -> Calibration:
    """Trains, calibrates and exports: everything behind ``atme-train pretrain``."""
    model = UnitReader(pretrain(config, progress)).eval()
    round_to_half(model)
    calibration = calibrate(model, config)
    seen = config.steps * config.batch // config.reuse
    info = ModelInfo(
        name=out.stem,
        trained_on=f"synthetic action-unit flow only, {seen} samples; no real face or recording",
        command=command,
        temperature=calibration.temperature,
        nothing=True,
        refusal=calibration.refusal,
        units=tuple(UNITS),
        unit_thresholds=calibration.units.thresholds,
        unit_weights=calibration.units.weights,
    )
    export(model, info, out)
    return calibration


def pretrain(config: PretrainConfig, progress: Progress = lambda step, loss: None) -> DualAtme:
    """Trains from random weights and returns the averaged ones; calls ``progress(step, loss)`` every step.

    Uses the stacked network of the leave-one-subject-out engine with a single model, which is the fastest.
    Sets torch's global seed, thread count and deterministic mode.
    """
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    shape, half = ModelConfig(classes=OUTPUTS), multiplies_bfloat16()
    network = DualAtme(shape)
    models = StackedModels([network.state_dict()], shape, torch.device("cpu"), half, compiled=True)
    average = [_copy(models.parameters), _copy(models.running)]
    optimizer = torch.optim.Adam(
        list(models.parameters.values()), lr=config.learning_rate, betas=(0.5, 0.999), fused=True
    )
    batches = _batches(config, shape, torch.bfloat16 if half else torch.float32)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        batch, label, units = next(batches)
        loss = training_loss(models, batch, label, units, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        models.update_running()
        # Early weights would linger in the average: its memory grows with the run.
        fresh = 1 - min(config.average, (1 + step) / (10 + step))
        for kept, new in zip(average, (models.parameters, models.running), strict=True):
            _move(kept, new, fresh)
        progress(step, float(loss.detach()))
    for kept, new in zip(average, (models.parameters, models.running), strict=True):
        _move(new, kept, 1.0)
    network.load_state_dict(models.states()[0])
    return network.eval()


def training_loss(
    models: StackedModels, batch: Batch, label: Tensor, units: Tensor, config: PretrainConfig
) -> Tensor:
    """Focal loss of the label, cross-entropy of the units (N, units, 2) and contrast loss of the branches,
    for one batch of one model."""
    outputs, entire, puzzled = models.forward(batch)
    logits, said = split(outputs[:, 0])
    focal = focal_loss(logits, targets(label, config.smoothing), config.gamma)
    return (
        focal
        + config.units * unit_loss(said, units)
        + config.contrast * contrast_loss(entire, puzzled).mean()
    )


def _copy(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in values.items()}


@torch.no_grad()
def _move(kept: dict[str, Tensor], new: dict[str, Tensor], share: float) -> None:
    for name, value in kept.items():
        value.lerp_(new[name], share)


def _schedule(done: float) -> float:
    """Warm-up over the first 2 %, then a cosine to zero."""
    return min(done / 0.02 + 0.05, 1.0) * (1 + math.cos(math.pi * done)) / 2


def _batches(
    config: PretrainConfig, shape: ModelConfig, dtype: torch.dtype
) -> Iterator[tuple[Batch, Tensor, Tensor]]:
    """Endless batches from a pool that is synthesised again once each sample was used ``reuse`` times."""
    generator = torch.Generator().manual_seed(config.seed)
    chunks, keep = 8, 1 - shape.dropout
    while True:
        pool = [synthesize(config.batch, generator, config.synthesis) for _ in range(chunks)]
        features = torch.cat([torch.stack([part.entire, part.puzzled], dim=1) for part in pool])
        label = torch.cat([part.label for part in pool])
        units = torch.cat([part.units for part in pool]).float()
        units = torch.cat([units, units.flip(2)])
        features = torch.cat([features, mirrored(features)])
        bank, bank_pooled = Bank(features, dtype), Bank(pooled(features), dtype)
        for _ in range(config.reuse):
            order = torch.randperm(len(label), generator=generator)
            for first in range(0, len(order), config.batch):
                index = order[first : first + config.batch]
                flip = torch.rand(len(index), generator=generator) < 0.5
                rows = (index + len(label) * flip)[:, None]
                drawn = torch.rand(len(index), 1, shape.hidden, generator=generator)
                dropout = (drawn < keep).float() / keep
                batch = Batch(bank(rows, None), bank_pooled(rows, None), dropout, None)
                yield batch, label[index], units[rows[:, 0]]


@torch.no_grad()
def calibrate(model: UnitReader, config: PretrainConfig) -> Calibration:
    """Temperature, refusal threshold and units' probabilities, from synthetic samples that were not used for
    training; the last become part of ``model``."""
    generator = torch.Generator().manual_seed(config.seed + 1_000_003)
    parts = [synthesize(250, generator, config.synthesis) for _ in range(math.ceil(config.validation / 250))]
    said = [model.raw(normalise(part.entire), normalise(part.puzzled)) for part in parts]
    logits, units = (torch.cat(kind) for kind in zip(*said, strict=True))
    label = torch.cat([part.label for part in parts])
    event = label != NON_EVENT
    steps = torch.linspace(math.log(0.05), math.log(5.0), 200).exp()
    losses = [float(F.cross_entropy(logits / t, _columns(label))) for t in steps]
    temperature = float(steps[min(range(len(losses)), key=losses.__getitem__)])
    evidence = 1 - (logits / temperature).softmax(dim=1)[:, -1]
    refusal = float(torch.quantile(evidence[event], config.refused))
    return Calibration(
        temperature=round(temperature, 4),
        refusal=round(refusal, 4),
        accuracy=float((logits[event, :-1].argmax(dim=1) == label[event]).float().mean()),
        non_events_refused=float((evidence[~event] < refusal).float().mean()),
        units=calibrate_units(model, logits / temperature, units, torch.cat([part.units for part in parts])),
    )
