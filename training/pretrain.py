"""Trains Dual-ATME on synthetic flow alone: the weights that the program is delivered with."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.model import DualAtme, ModelConfig
from recognizer.model_info import ModelInfo
from recognizer.recognition import CLASSES
from training.export import export, round_to_half
from training.flow_synthesis import Samples, synthesize
from training.random_motion import NON_EVENT, SynthesisConfig


@dataclass(frozen=True)
class PretrainConfig:
    """One training run. The same configuration gives the same weights on one machine type."""

    seed: int = 0
    steps: int = 600
    batch: int = 256
    reuse: int = 3
    """How often a synthetic sample is seen (mirrored at random); more are faster, fewer are fresher."""
    learning_rate: float = 1e-3
    gamma: float = 2.0
    """Focal loss (method §6)."""
    contrast: float = 0.01
    """λ of the contrast loss between both branches (method §6)."""
    smoothing: float = 0.1
    """Label smoothing."""
    average: float = 0.995
    """Decay of the running average of the weights, which is what is kept."""
    validation: int = 4000
    """Synthetic samples for calibration and the scores of the log."""
    refused: float = 0.08
    """Share of true validation samples that the refusal threshold may cost."""
    threads: int = 2
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)


@dataclass(frozen=True)
class Calibration:
    """What the metadata of the weights says about confidence."""

    temperature: float
    refusal: float
    accuracy: float
    """On synthetic validation events, before refusal."""
    non_events_refused: float


class FlipAveraged(nn.Module):
    """The mean of the logits for a sample and for its mirror image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor:
        """(N, 3, 28, 28) float32 in [−1, 1] twice → (N, classes) logits."""
        mirrored: Tensor = self.model(mirror(entire), mirror(puzzled))
        logits: Tensor = self.model(entire, puzzled)
        return (logits + mirrored) / 2


def mirror(x: Tensor) -> Tensor:
    """The feature of the mirrored face, on the scale [−1, 1]: columns swapped, u negated (method §6)."""
    return torch.cat([-x[:, :1], x[:, 1:]], dim=1).flip(3)


def normalise(x: Tensor) -> Tensor:
    """0–255 → [−1, 1], as ``recognizer.feature.normalise``."""
    return x.float() / 127.5 - 1


def targets(label: Tensor, smoothing: float) -> Tensor:
    """(N, classes + 1) soft targets: smoothed one-hot, the last column for what is no emotion."""
    outputs = len(CLASSES) + 1
    hot = F.one_hot(_columns(label), outputs).float()
    return hot * (1 - smoothing) + smoothing / outputs


def _columns(label: Tensor) -> Tensor:
    return torch.where(label == NON_EVENT, len(CLASSES), label)


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Focal loss for soft targets: −Σ t (1 − p)^γ log p, mean over samples."""
    log_p = F.log_softmax(logits, dim=1)
    return -(target * (1 - log_p.exp()).pow(gamma) * log_p).sum(dim=1).mean()


def contrast_loss(maps_entire: Tensor, maps_puzzled: Tensor) -> Tensor:
    """1 − cosine of both branches' flattened maps, mean over samples."""
    return (1 - F.cosine_similarity(maps_entire.flatten(1), maps_puzzled.flatten(1))).mean()


Progress = Callable[[int, float], None]
"""Called after every step with its number and its loss."""


def make_weights(config: PretrainConfig, out: Path, command: str, progress: Progress) -> Calibration:
    """Trains, calibrates and exports: everything behind ``atme-train pretrain``."""
    model = FlipAveraged(pretrain(config, progress)).eval()
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
    )
    export(model, info, out)
    return calibration


def pretrain(config: PretrainConfig, progress: Progress = lambda step, loss: None) -> DualAtme:
    """Trains from nothing; ``progress(step, loss)`` is called after every step. Returns the averaged weights.

    Sets torch's global seed, thread count and deterministic mode.
    """
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = DualAtme(ModelConfig(classes=len(CLASSES) + 1))
    average = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.5, 0.999))
    batches = _batches(config)
    model.train()
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        loss = training_loss(model, next(batches), config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # Early weights would linger in the average: its memory grows with the run.
        _update(average, model, min(config.average, (1 + step) / (10 + step)))
        progress(step, float(loss.detach()))
    return average.eval()


def training_loss(model: DualAtme, samples: Samples, config: PretrainConfig) -> Tensor:
    """Focal loss of the logits and contrast loss of the branches, for one batch."""
    maps = model.embed(normalise(samples.entire), normalise(samples.puzzled))
    target = targets(samples.label, config.smoothing)
    return focal_loss(model.classify(*maps), target, config.gamma) + config.contrast * contrast_loss(*maps)


def _schedule(done: float) -> float:
    """Warm-up over the first 2 %, then a cosine to zero."""
    return min(done / 0.02 + 0.05, 1.0) * (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def _update(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _batches(config: PretrainConfig) -> Iterator[Samples]:
    """Endless batches from a pool that is synthesised anew after each sample was seen ``reuse`` times."""
    generator = torch.Generator().manual_seed(config.seed)
    chunks = 8
    while True:
        pool = [synthesize(config.batch, generator, config.synthesis) for _ in range(chunks)]
        entire = torch.cat([samples.entire for samples in pool])
        puzzled = torch.cat([samples.puzzled for samples in pool])
        label = torch.cat([samples.label for samples in pool])
        for _ in range(config.reuse):
            order = torch.randperm(len(label), generator=generator)
            for first in range(0, len(order), config.batch):
                index = order[first : first + config.batch]
                flip = torch.rand(len(index), 1, 1, 1, generator=generator) < 0.5
                x, z = entire[index], puzzled[index]
                yield Samples(
                    torch.where(flip, _mirror_bytes(x), x),
                    torch.where(flip, _mirror_bytes(z), z),
                    label[index],
                )


def _mirror_bytes(x: Tensor) -> Tensor:
    """``mirror`` on the scale 0–255."""
    return torch.cat([255 - x[:, :1], x[:, 1:]], dim=1).flip(3)


@torch.no_grad()
def calibrate(model: nn.Module, config: PretrainConfig) -> Calibration:
    """Temperature and refusal threshold, on synthetic samples that training has not seen."""
    generator = torch.Generator().manual_seed(config.seed + 1_000_003)
    parts = [synthesize(250, generator, config.synthesis) for _ in range(math.ceil(config.validation / 250))]
    logits = torch.cat([model(normalise(part.entire), normalise(part.puzzled)) for part in parts])
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
    )
