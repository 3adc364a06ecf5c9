"""Trains many small networks at once, each on its own fold; the rest of the stack never changes a result.

``train`` is given what a model may learn from and nothing else. It cannot peek at a test fold, because it
never receives one; the caller, who has it, calls ``predict`` afterwards (law 6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from recognizer.network.model import DualAtme, ModelConfig
from training.features.archive import Faces, Pairs
from training.learning.correction import View, correct, network_of
from training.learning.stacked.model import Batch, Inputs, StackedModels, State


@dataclass(frozen=True)
class Recipe:
    """How a fold is trained; the defaults are the paper's (method §6)."""

    epochs: int = 60
    steps: int = 0
    """Number of random batches to train on instead of whole epochs; 0: epochs."""
    batch: int = 128
    """An epoch is cut into equal batches of at most this many samples."""
    learning_rate: float = 1e-3
    """Of Adam (0.5, 0.999); falls to zero along a cosine."""
    gamma: float = 2.0
    """γ of the focal loss."""
    contrast: float = 0.01
    """λ of the contrast loss between both branches."""
    balance: float = 0.0
    """Random batches: 0 draws classes as often as they occur, 1 all of them equally often."""
    synthetic: float = 0.0
    """Share of synthetic samples in random batches."""
    flip_average: bool = False
    """Predict from the sample and its mirror image."""
    correction: float = 0.0
    """Above 0: the network is not trained, its logits are corrected (``learning.correction``) under this
    penalty, with ``balance`` and ``flip_average``; the rest is not used."""


ADAPTING = Recipe(balance=0.5, flip_average=True, correction=3e-4)
"""From pre-trained weights, for datasets of a few hundred samples: a fold in about a second."""


@dataclass(frozen=True)
class TrainingSet:
    """What one model learns from."""

    entire: npt.NDArray[np.uint8]
    """(n, 3, 28, 28)."""
    puzzled: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int64]
    real: int
    """This many samples, the first ones, are real; the others are synthetic."""
    seed: int
    """Seed of order, flips and dropout."""
    start: State
    """Weights to start from."""
    faces: Faces | None = None
    """Faces of the real samples, for methods that use images."""

    @property
    def pairs(self) -> Pairs:
        """The real samples without their labels."""
        return Pairs(self.entire[: self.real], self.puzzled[: self.real], self.faces)


Watch = Callable[[int, list[State]], None]
"""Called with the number of finished epochs and a copy of the weights; it cannot influence training."""


def steps_of(real: int, recipe: Recipe) -> int:
    """The number of batches on which a model with this many real samples is trained."""
    return recipe.steps or recipe.epochs * math.ceil(real / recipe.batch)


def train(
    sets: Sequence[TrainingSet],
    recipe: Recipe,
    device: str = "cpu",
    half: bool = False,
    watch: Watch | None = None,
) -> list[State]:
    """The weights after the last step: one ``state_dict`` per set, in order.

    All sets must take the same number of steps (ValueError). ``half``: see ``StackedModels``. On a CPU
    one set at a time is fastest; on a GPU, as many as fit.
    """
    if recipe.correction:
        states = [_corrected(item, recipe) for item in sets]
        if watch is not None:
            watch(1, [dict(state) for state in states])
        return states
    plans = [plan(item, recipe) for item in sets]
    steps = steps_of(sets[0].real, recipe)
    if any(len(plan) != steps for plan in plans):
        raise ValueError("all sets of one call must take the same number of steps")
    config, place = ModelConfig(), torch.device(device)
    models = StackedModels([item.start for item in sets], config, place, half, compiled=place.type == "cpu")
    feed = _Feed(sets, plans, config, place, torch.bfloat16 if half else torch.float32)
    optimizer = torch.optim.Adam(
        list(models.parameters.values()), lr=recipe.learning_rate, betas=(0.5, 0.999), fused=True
    )
    epoch = steps // recipe.epochs if not recipe.steps else steps
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        batch, label = feed(step)
        loss = _loss(models, batch, label, recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        models.update_running()
        if watch is not None and (step + 1) % epoch == 0:
            watch((step + 1) // epoch, models.states())
    return models.states()


def _corrected(item: TrainingSet, recipe: Recipe) -> State:
    pictures = [torch.from_numpy(x[: item.real]) for x in (item.entire, item.puzzled)]
    views = [_view(pictures)]
    if recipe.flip_average:
        views.append(_view([mirrored(x) for x in pictures]))
    label = torch.from_numpy(item.label[: item.real])
    return correct(item.start, views, label, recipe.balance, recipe.correction)


def _loss(models: StackedModels, batch: Batch, label: Tensor, recipe: Recipe) -> Tensor:
    """Focal loss and contrast loss, mean over each model's samples, sum over models (method §6)."""
    logits, entire, puzzled = models.forward(batch)
    log_p = F.log_softmax(logits, dim=2).gather(2, label[..., None]).squeeze(2)
    focal = -(1 - log_p.exp()).pow(recipe.gamma) * log_p
    loss = focal + recipe.contrast * contrast_loss(entire, puzzled)
    if batch.valid is None:
        return loss.mean(dim=0).sum()
    return ((loss * batch.valid).sum(dim=0) / batch.valid.sum(dim=0)).sum()


def contrast_loss(entire: Tensor, puzzled: Tensor) -> Tensor:
    """1 − cosine of both branches' maps, each (N, H, W, M, C) → (N, M)."""
    dot = (entire * puzzled).sum(dim=(1, 2, 4))
    norms = entire.square().sum(dim=(1, 2, 4)) * puzzled.square().sum(dim=(1, 2, 4))
    return 1 - dot * norms.clamp(min=1e-16).rsqrt()


# --------------------------------------------------------------------------- which samples when

Plan = list[npt.NDArray[np.int64]]
"""For each step, row numbers in the model's bank: sample, or sample + n for its mirror image."""


def plan(item: TrainingSet, recipe: Recipe) -> Plan:
    """It depends only on the set and its seed."""
    rng = np.random.default_rng(item.seed)
    draw = _drawn if recipe.steps else _epochs
    n = len(item.label)
    return [rows + n * rng.integers(2, size=len(rows)) for rows in draw(item, recipe, rng)]


def _epochs(item: TrainingSet, recipe: Recipe, rng: np.random.Generator) -> Plan:
    parts = math.ceil(item.real / recipe.batch)
    orders = [rng.permutation(item.real) for _ in range(recipe.epochs)]
    return [rows for order in orders for rows in np.array_split(order, parts)]


def _drawn(item: TrainingSet, recipe: Recipe, rng: np.random.Generator) -> Plan:
    made_up = round(recipe.batch * recipe.synthetic) if len(item.label) > item.real else 0
    label = item.label[: item.real]
    weight = np.bincount(label)[label].astype(float) ** -recipe.balance
    shape = (recipe.steps, recipe.batch - made_up)
    real = rng.choice(item.real, size=shape, p=weight / weight.sum())
    synthetic = rng.integers(item.real, len(item.label), size=(recipe.steps, made_up)) if made_up else None
    return list(real if synthetic is None else np.concatenate([real, synthetic], axis=1))


class _Feed:
    """All sets on the device, mirror images and pooled features included; gives one step's batch."""

    def __init__(
        self,
        sets: Sequence[TrainingSet],
        plans: list[Plan],
        config: ModelConfig,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._device, self._config = device, config
        features = torch.cat([_with_mirrored(item) for item in sets]).to(device)
        self._features, self._pooled = Bank(features, dtype), Bank(pooled(features), dtype)
        doubled = [np.tile(item.label, 2) for item in sets]
        self._label = torch.from_numpy(np.concatenate(doubled)).to(device)
        starts = np.cumsum([0, *(len(label) for label in doubled)])
        self._sizes = np.array([[len(rows) for rows in plan] for plan in plans]).T
        steps, widest = len(self._sizes), int(self._sizes.max())
        rows = np.zeros((steps, widest, len(sets)), np.int64)
        for m, plan in enumerate(plans):
            for step, chosen in enumerate(plan):
                rows[step, : len(chosen), m] = chosen + starts[m]
        self._rows = torch.from_numpy(rows).to(device)
        real = np.arange(widest)[:, None] < self._sizes[:, None, :]
        self._valid = torch.from_numpy(real.astype(np.float32)).to(device)
        self._generators = [torch.Generator(device).manual_seed(item.seed) for item in sets]

    def __call__(self, step: int) -> tuple[Batch, Tensor]:
        """The batch and its labels (N, M). No step waits for the device."""
        sizes = [int(size) for size in self._sizes[step]]
        rows = self._rows[step, : max(sizes)]
        valid = None if len(set(sizes)) == 1 else self._valid[step, : max(sizes)]
        features, maxima = self._features(rows, valid), self._pooled(rows, valid)
        return Batch(features, maxima, self._dropout(sizes), valid), self._label[rows]

    def _dropout(self, sizes: list[int]) -> Tensor:
        keep = 1 - self._config.dropout
        masks = torch.zeros(max(sizes), len(sizes), self._config.hidden, device=self._device)
        for m, (size, generator) in enumerate(zip(sizes, self._generators, strict=True)):
            drawn = torch.rand(size, self._config.hidden, generator=generator, device=self._device)
            masks[:size, m] = (drawn < keep) / keep
        return masks


class Bank:
    """Face and puzzle features of all sets, and every sample's first two moments."""

    def __init__(self, features: Tensor, dtype: torch.dtype) -> None:
        """features (samples, 2, 3, 28, 28) uint8."""
        values = normalise(features)
        pairs = values.view(-1, 3, 28, 14, 2).permute(0, 2, 3, 4, 1).flatten(3)
        self._values = pairs.to(dtype).contiguous()  # (2·samples, 28, 14, 2·3), face and puzzle in turn
        values = values.flatten(3)
        self._mean = values.mean(dim=3)
        self._second = values @ values.mT / values.shape[3]

    def __call__(self, rows: Tensor, valid: Tensor | None) -> Inputs:
        """Inputs of the samples ``rows`` (N, M)."""
        puzzle = torch.arange(2, device=rows.device)[:, None, None]
        values = self._values[(2 * rows.T + puzzle).flatten(0, 1)]
        share = (
            torch.full_like(rows, 1 / len(rows), dtype=torch.float32)
            if valid is None
            else valid / valid.sum(dim=0)
        )
        mean = torch.einsum("nm,nmbc->bmc", share, self._mean[rows]).flatten(0, 1)
        second = torch.einsum("nm,nmbcd->bmcd", share, self._second[rows]).flatten(0, 1)
        return Inputs(values, mean, second - mean[:, :, None] * mean[:, None, :])


def _with_mirrored(item: TrainingSet) -> Tensor:
    """(2·n, 2, 3, 28, 28) uint8: face and puzzle of all samples, then of their mirror images."""
    features = torch.stack([torch.from_numpy(item.entire), torch.from_numpy(item.puzzled)], dim=1)
    return torch.cat([features, mirrored(features)])


def mirrored(features: Tensor) -> Tensor:
    """The mirror images of (…, 3, 28, 28) uint8 features: columns swapped, u negated (method §6)."""
    flipped = features.flip(-1)
    flipped[..., 0, :, :] = 255 - flipped[..., 0, :, :]
    return flipped


def pooled(features: Tensor) -> Tensor:
    """3×3 max-pool of stride 1 of (n, 2, 3, 28, 28) uint8; as bytes, 25 times as fast as torch's."""
    greatest = features
    for axis in (-2, -1):
        first, last = greatest.narrow(axis, 0, 27), greatest.narrow(axis, 1, 27)
        # Maxima of neighbouring pairs; at the edges a pair is the whole window.
        pair = torch.maximum(first, last)
        edges = pair.narrow(axis, 0, 1), pair.narrow(axis, 26, 1)
        inner = torch.maximum(pair.narrow(axis, 0, 26), pair.narrow(axis, 1, 26))
        greatest = torch.cat([edges[0], inner, edges[1]], dim=axis)
    return greatest


def _view(pictures: Sequence[Tensor]) -> View:
    entire, puzzled = (normalise(x) for x in pictures)
    return entire, puzzled


def normalise(features: Tensor) -> Tensor:
    """uint8 → [−1, 1], as ``recognizer.feature.normalise``."""
    return features.float() / 127.5 - 1


# --------------------------------------------------------------------------- before and after


def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def initial_state(seed: int) -> State:
    """Random weights of one network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DualAtme().state_dict()


@torch.no_grad()
def predict(state: State, pairs: Pairs, flip_average: bool) -> npt.NDArray[np.float64]:
    """(n, 3) probabilities of the network in evaluation mode, on the CPU."""
    model = network_of(state)
    pictures = [torch.from_numpy(x) for x in (pairs.entire, pairs.puzzled)]
    if not flip_average:
        logits = model(*_view(pictures))
    else:
        both = [torch.cat([x, mirrored(x)]) for x in pictures]
        straight, flipped = model(*_view(both)).chunk(2)
        logits = (straight + flipped) / 2
    return logits.double().softmax(dim=1).numpy()  # type: ignore[no-any-return]
