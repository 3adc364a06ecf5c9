"""Fits a pre-trained network to a dataset without touching its weights: learns where its logits are wrong.

    logits = S z(x) + Σᵢ αᵢ k(x, xᵢ) + b

z are the logits of the pre-trained Dual-ATME, k is a Gaussian kernel of the face's coarse flow, the xᵢ are
the training samples, and S, α, b are learnt: kernel logistic regression (Zhu & Hastie 2005, DOI
10.1198/106186005X25619) that starts from the network's opinion, scaled by a matrix (Guo et al. 2017,
arXiv:1706.04599): which class the network takes for which differs between datasets. The problem is convex
and nothing in it is drawn, so there is no seed, no step size, no epoch and no order that somebody could
choose by a test subject. A few hundred samples are too few to move five million weights well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.network.model import DualAtme

SIDE = 28
"""Cells along each side of a feature."""
CELLS = 7
"""The flow is averaged down to this many cells a side: neighbouring places move together."""
WIDTH = 8.4
"""Width of the Gaussian kernel: its exponent is −1 for two samples at the median distance."""
MIXING = 0.1
"""Penalty on what S adds of one class's logit to another's: few samples say little about it."""
PREFIX = "correction."
"""Prefix of the correction's parameters in a state; all others are the network's."""

State = dict[str, Tensor]
View = tuple[Tensor, Tensor]
"""Face and puzzle features of n samples, (n, 3, 28, 28) float32 in [−1, 1]."""


def coarse_flow(entire: Tensor) -> Tensor:
    """What the kernel compares: the face's flow in a few cells, (n, 3, 28, 28) → (n, 3·CELLS²)."""
    flow = entire.flatten(2)
    # An archive stretches each channel and so loses where zero was. Most of a face holds still, so
    # zero is taken to be the median.
    middle = flow.topk(SIDE**2 // 2, dim=2).values[..., -1:]
    moved = flow - middle
    moved = moved / (moved.square().mean(dim=2, keepdim=True).sqrt() + 0.03)
    return F.avg_pool2d(moved.view_as(entire), SIDE // CELLS).flatten(1)


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Gaussian kernel of two sets of coarse flows, (n, d) and (m, d) → (n, m)."""
    squares = first.square().sum(dim=1, keepdim=True) + second.square().sum(dim=1)
    apart = (squares - 2 * first @ second.T).clamp(min=0)
    return torch.exp(-apart / (2 * WIDTH**2))


class Correction(nn.Module):
    """What was learnt from one dataset: its samples' coarse flows, their weights, the scales and the bias."""

    samples: Tensor

    def __init__(self, samples: int, classes: int = 3) -> None:
        """``samples``: the number of samples in the kernel expansion."""
        super().__init__()
        self.register_buffer("samples", torch.zeros(samples, 3 * CELLS**2))
        self.weight = nn.Parameter(torch.zeros(classes, samples))
        self.scale = nn.Parameter(torch.eye(classes))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, logits: Tensor, entire: Tensor) -> Tensor:
        """(n, classes) corrected logits."""
        alike = kernel(coarse_flow(entire), self.samples)
        return F.linear(logits, self.scale) + F.linear(alike, self.weight, self.bias)


class CorrectedAtme(nn.Module):
    """Dual-ATME with a correction; its inputs and outputs are those of Dual-ATME."""

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
    correction = Correction(len(own["samples"]))
    correction.load_state_dict(own)
    return CorrectedAtme(network, correction).eval()


def without_correction(state: State) -> State:
    """The network's own part of a state."""
    return {name: value for name, value in state.items() if not name.startswith(PREFIX)}


def correct(state: State, views: Sequence[View], label: Tensor, balance: float, penalty: float) -> State:
    """``state`` and a correction learnt from samples seen in one or more views (as they are, mirrored).

    Minimises the mean cross-entropy of the views' mean logits + ``penalty`` · |f|² / 2, with |f| the norm of
    the kernel's part of the logits, + ``MIXING`` · |S − s·1|² / 2, with s free. ``label`` (n,);
    ``balance``: with 0 all samples have equal weight, with 1 all classes. L-BFGS in double precision on one
    processor.
    """
    network = network_of(state)
    with torch.no_grad():
        logits = torch.stack([network(*view) for view in views]).mean(dim=0).double()
        flows = [coarse_flow(view[0]).double() for view in views]
        alike = torch.stack([kernel(a, b) for a in flows for b in flows]).mean(dim=0)
    basis = _basis(alike)
    coordinates = alike @ basis
    share = label.bincount().double()[label] ** -balance
    share = share / share.sum()
    weight = torch.zeros(basis.shape[1], logits.shape[1], dtype=torch.float64, requires_grad=True)
    scale = torch.ones(1, dtype=torch.float64, requires_grad=True)
    mixing = torch.zeros(2 * logits.shape[1:], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, scale, mixing, bias],
        max_iter=300,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = scale * logits + F.linear(logits, mixing) + coordinates @ weight + bias
        each = F.cross_entropy(found, label, reduction="none")
        held = penalty * weight.square().sum() + MIXING * mixing.square().sum()
        value = (share * each).sum() + held / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    # Every view of a sample is in the expansion, each with an equal part of the sample's weight.
    each_view = (basis @ weight).mT.repeat(1, len(views)) / len(views)
    scales = scale * torch.eye(len(bias)) + mixing
    own = {"samples": torch.cat(flows), "weight": each_view, "scale": scales, "bias": bias}
    return state | {PREFIX + name: value.detach().float() for name, value in own.items()}


def _basis(alike: Tensor) -> Tensor:
    """B, (n, r), with BᵀKB = 1: in this basis the norm of the kernel's part is that of its coordinates."""
    lengths, directions = torch.linalg.eigh(alike)
    real = lengths > 1e-10 * lengths[-1]
    basis: Tensor = directions[:, real] / lengths[real].sqrt()
    return basis
