"""Dual-ATME, the network of the paper (Entropy 2023, 25(3), 460; §3.3 and §3.4), in torch.

Two bi-Inception branches, one for the flow of the whole face (with CBAM attention, the paper's AARS) and
one for the flow of the hand-picked brow–mouth puzzle (HARS), fused into one classifier. Where the paper is
silent the published code decides: batch norm and ReLU after every convolution, reduction 16, a 3×3
spatial kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the network; the defaults are the paper's."""

    classes: int = 3
    width: int = 6
    """Filters per branch of the first inception block; the second has twice as many."""
    reduction: int = 16
    hidden: int = 1024
    dropout: float = 0.5


def convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """Convolution that keeps the size, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Inception(nn.Module):
    """Four branches of ``width`` filters each: (N, inputs, H, W) → (N, 4·width, H, W)."""

    def __init__(self, inputs: int, width: int, reduced: int = 6) -> None:
        super().__init__()
        self.branch1 = convolution(inputs, width, 1)
        self.branch3 = nn.Sequential(convolution(inputs, reduced, 1), convolution(reduced, width, 3))
        self.branch5 = nn.Sequential(convolution(inputs, reduced, 1), convolution(reduced, width, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolution(inputs, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.pooled(x)], dim=1)


def bi_inception(width: int) -> nn.Sequential:
    """(N, 3, 28, 28) → (N, 8·width, 7, 7)."""
    return nn.Sequential(
        Inception(3, width), nn.MaxPool2d(2), Inception(4 * width, 2 * width), nn.MaxPool2d(2)
    )


class Cbam(nn.Module):
    """Channel attention, then spatial attention (the paper's Eqs. for M_c and M_s). Keeps the shape."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1, bias=False),
        )
        self.spatial = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        greatest, mean = F.adaptive_max_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1)
        x = torch.sigmoid(self.mlp(greatest) + self.mlp(mean)) * x
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.spatial(summary)) * x


class DualAtme(nn.Module):
    """The whole network. Inputs are normalised to [−1, 1] (mean 0.5, std 0.5 of values in [0, 1])."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        maps = 8 * config.width
        self.entire = nn.Sequential(bi_inception(config.width), Cbam(maps, config.reduction))
        self.puzzled = bi_inception(config.width)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * maps * 7 * 7, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.classes),
        )

    def embed(self, entire: Tensor, puzzled: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches' maps, (N, 48, 7, 7) each: what the contrast loss compares."""
        return self.entire(entire), self.puzzled(puzzled)

    def classify(self, maps_entire: Tensor, maps_puzzled: Tensor) -> Tensor:
        """(N, classes) logits from both branches' maps."""
        logits: Tensor = self.classifier(torch.cat([maps_entire, maps_puzzled], dim=1))
        return logits

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor:
        """(N, 3, 28, 28) float32 twice → (N, classes) logits."""
        return self.classify(*self.embed(entire, puzzled))
