"""Fits a pre-trained network to a data set without touching its weights: learns where its logits are wrong.

    logits = s · z(x) + W φ(x) + b

z are the logits of the pre-trained Dual-ATME, φ random Fourier features (Rahimi & Recht 2007) of the face's
coarse flow, and s, W, b are learnt: kernel logistic regression with a Gaussian kernel that starts from the
network's opinion. The problem is convex, so there is no step size, no epoch and no order that somebody could
choose by a test subject. A few hundred samples are too few to move five million weights well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.model import DualAtme

SIDE = 28
"""Of a feature."""
CELLS = 7
"""The flow is averaged down to so many cells a side: neighbouring places move together."""
FEATURES = 4096
"""Random Fourier features; more come closer to the Gaussian kernel."""
WIDTH = 8.4
"""Of the Gaussian kernel: its exponent is −1 for two samples at the median distance."""
PREFIX = "correction."
"""Names of the correction's parameters in a state begin so; the others are the network's."""

State = dict[str, Tensor]
View = tuple[Tensor, Tensor]
"""Face and puzzle features of n samples, (n, 3, 28, 28) float32 in [−1, 1]."""


class Correction(nn.Module):
    """φ, W, s and b of one data set."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, seed: int = 0, classes: int = 3) -> None:
        """``seed`` draws the random features."""
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(3 * CELLS**2, FEATURES, generator=generator) / WIDTH
        self.register_buffer("frequencies", drawn)
        self.register_buffer("phases", torch.rand(FEATURES, generator=generator) * (2 * torch.pi))
        self.weight = nn.Parameter(torch.zeros(classes, FEATURES))
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(classes))

    def features(self, entire: Tensor) -> Tensor:
        """φ of the face's flow, (n, 3, 28, 28) → (n, FEATURES)."""
        flow = entire.flatten(2)
        # An archive stretches each channel and so forgets where zero was. Most of a face holds still, so
        # it is the median.
        middle = flow.topk(SIDE**2 // 2, dim=2).values[..., -1:]
        moved = flow - middle
        moved = moved / (moved.square().mean(dim=2, keepdim=True).sqrt() + 0.03)
        coarse = F.avg_pool2d(moved.view_as(entire), SIDE // CELLS).flatten(1)
        waves: Tensor = torch.cos(coarse @ self.frequencies + self.phases)
        amplitude: float = (2 / FEATURES) ** 0.5
        return waves * amplitude

    def forward(self, logits: Tensor, entire: Tensor) -> Tensor:
        """(n, classes) corrected logits."""
        return self.scale * logits + F.linear(self.features(entire), self.weight, self.bias)


class CorrectedAtme(nn.Module):
    """Dual-ATME and a correction: takes and gives what Dual-ATME does."""

    def __init__(self, network: DualAtme, correction: Correction) -> None:
        super().__init__()
        self.network, self.correction = network, correction

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor:
        """(n, 3, 28, 28) float32 twice → (n, classes) logits."""
        logits: Tensor = self.correction(self.network(entire, puzzled), entire)
        return logits


def network_of(state: State) -> nn.Module:
    """The network of a state, in evaluation mode; a corrected one where the state holds a correction."""
    network = DualAtme().eval()
    network.load_state_dict(without_correction(state))
    own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not own:
        return network
    correction = Correction()
    correction.load_state_dict(own)
    return CorrectedAtme(network, correction).eval()


def without_correction(state: State) -> State:
    """The network's own part of a state."""
    return {name: value for name, value in state.items() if not name.startswith(PREFIX)}


def correct(
    state: State, views: Sequence[View], label: Tensor, balance: float, penalty: float, seed: int
) -> State:
    """``state`` and a correction learnt from samples seen in one or more views (as they are, mirrored).

    Minimises the mean cross-entropy of the views' mean logits + ``penalty`` · |W|² / 2. ``label`` (n,);
    ``balance``: 0 all samples count alike, 1 all classes. L-BFGS in double precision on one processor.
    """
    network = network_of(state)
    correction = Correction(seed)
    with torch.no_grad():
        logits = torch.stack([network(*view) for view in views]).mean(dim=0).double()
        features = torch.stack([correction.features(view[0]) for view in views]).mean(dim=0).double()
    # The optimal W lies in the span of the samples' features: an orthonormal basis makes the problem small.
    basis, coordinates = torch.linalg.qr(features.mT)
    share = label.bincount().double()[label] ** -balance
    share = share / share.sum()
    weight = torch.zeros(logits.shape[1], len(label), dtype=torch.float64, requires_grad=True)
    scale, bias = correction.scale.detach().double(), correction.bias.detach().double()
    learnt = [weight, scale.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        learnt, max_iter=300, tolerance_grad=1e-6, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = scale * logits + (weight @ coordinates).mT + bias
        each = F.cross_entropy(found, label, reduction="none")
        value = (share * each).sum() + penalty / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    own = correction.state_dict() | {"weight": weight @ basis.mT, "scale": scale, "bias": bias}
    return state | {PREFIX + name: value.detach().float() for name, value in own.items()}
