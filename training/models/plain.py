"""Trains one ordinary torch network on one fold; the stacked engine knows only Dual-ATME.

Batches, flips, schedule and loss are the engine's, so that methods differ only in their network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.network.model import DualAtme
from training.features.archive import Pairs
from training.learning.engine import Recipe, TrainingSet, normalise, plan
from training.models.inputs import ENTIRE, Input
from training.models.method import Fitting, Predict, Watch


@dataclass(frozen=True)
class Network:
    """A method made of a network."""

    name: str
    title: str
    source: str
    """The paper: DOI or pages."""
    build: Callable[[], nn.Module]
    takes: tuple[Input, ...] = (ENTIRE,)
    """What goes in, in order."""
    batch: int = 0
    """At most this many samples a batch, where the recipe's are too many for large images; 0: the
    recipe's."""

    @property
    def needs_faces(self) -> bool:
        """As ``Method`` has it."""
        return any(one.faces for one in self.takes)

    def learn(
        self,
        item: TrainingSet,
        recipe: Recipe,
        fitting: Fitting,
        device: str = "cpu",
        half: bool = False,
        watch: Watch | None = None,
    ) -> Predict:
        """Trains for ``recipe.epochs`` from random weights; it depends only on the set and its seed."""
        place = torch.device(device)
        if self.batch:
            recipe = replace(recipe, batch=min(self.batch, recipe.batch))
        inputs = [_with_mirrored(one, item.pairs).to(place) for one in self.takes]
        label = torch.from_numpy(np.tile(item.label, 2)).to(place)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(item.seed)
            network = self.build().to(place)
            optimizer = _optimizer(network, recipe, fitting)
            weight = _class_weights(item.label, place) if fitting.weighted else None
            rate, batches = optimizer.param_groups[0]["lr"], plan(item, replace(recipe, steps=0))
            for step, some in enumerate(batches):
                rows = torch.from_numpy(some).to(place)
                optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / len(batches))) / 2
                network.train()
                with torch.autocast(place.type, torch.bfloat16, enabled=half):
                    loss = _loss(network, [_numbers(x[rows]) for x in inputs], label[rows], recipe, weight)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                epoch, left = divmod((step + 1) * recipe.epochs, len(batches))
                if watch is not None and not left:
                    watch(epoch, self.predictor(network, recipe))
        return self.predictor(network, recipe)

    def predictor(self, network: nn.Module, recipe: Recipe) -> Predict:
        """Classifies samples with the network in its state at the time of the call."""
        place = next(network.parameters()).device

        @torch.no_grad()
        def predict(pairs: Pairs) -> npt.NDArray[np.float64]:
            inputs = [torch.from_numpy(one.of(pairs)).to(place) for one in self.takes]
            network.eval()
            logits = network(*(normalise(x) for x in inputs))
            if recipe.flip_average:
                flipped = [one.mirrored(x) for one, x in zip(self.takes, inputs, strict=True)]
                logits = (logits + network(*(normalise(x) for x in flipped))) / 2
            return logits.double().softmax(dim=1).cpu().numpy()  # type: ignore[no-any-return]

        return predict


def _with_mirrored(one: Input, pairs: Pairs) -> Tensor:
    """(2·n, channels, H, W) uint8: the samples, then their mirror images."""
    straight = torch.from_numpy(one.of(pairs))
    return torch.cat([straight, one.mirrored(straight)])


def _numbers(features: Tensor) -> Tensor:
    """Bytes → [−1, 1], in the memory layout that suits convolutions."""
    return normalise(features).contiguous(memory_format=torch.channels_last)


def _loss(
    network: nn.Module, inputs: list[Tensor], label: Tensor, recipe: Recipe, weight: Tensor | None
) -> Tensor:
    """Focal loss (cross-entropy for γ = 0), and for two branches the contrast loss (method §6)."""
    contrast = torch.zeros((), device=label.device)
    if isinstance(network, DualAtme):
        maps = network.embed(*inputs)
        logits = network.classify(*maps)
        entire, puzzled = (part.float().flatten(1) for part in maps)
        contrast = 1 - F.cosine_similarity(entire, puzzled).mean()
    else:
        logits = network(*inputs)
    log_p = F.log_softmax(logits.float(), dim=1).gather(1, label[:, None]).squeeze(1)
    focal = -(1 - log_p.exp()).pow(recipe.gamma) * log_p
    mean = focal.mean() if weight is None else (weight[label] * focal).sum() / weight[label].sum()
    return mean + recipe.contrast * contrast


def _optimizer(network: nn.Module, recipe: Recipe, fitting: Fitting) -> torch.optim.Optimizer:
    if fitting.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=fitting.sgd_rate, momentum=0.9)
    return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=(0.5, 0.999), fused=True)


def _class_weights(label: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    """One over the number of training samples in each class."""
    counts = np.maximum(np.bincount(label, minlength=3), 1)
    return torch.from_numpy((1 / counts).astype(np.float32)).to(device)
