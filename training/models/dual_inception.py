"""Dual-Inception: two inception blocks for each flow component (Zhou, Mao, Xue 2019, FG 2019, pp. 642–646).

Filters and sizes as in the authors' code: 6 in each branch of the first block and 16 in the second, 1×1
reductions of the same width, no batch norm; 7×7×64 maps a stream, one hidden layer of 1024.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DualInception(nn.Module):
    """(N, 3, 28, 28) → (N, 3) logits; strain is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.horizontal, self.vertical = _stream(), _stream()
        self.classifier = nn.Sequential(
            nn.Linear(2 * 64 * 7 * 7, 1024), nn.ReLU(inplace=True), nn.Linear(1024, 3)
        )

    def forward(self, entire: Tensor) -> Tensor:
        streams = [self.horizontal(entire[:, :1]), self.vertical(entire[:, 1:2])]
        logits: Tensor = self.classifier(torch.cat(streams, dim=1))
        return logits


class _Block(nn.Module):
    """(N, inputs, H, W) → (N, 4·width, H, W)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _convolution(inputs, width, 1),
                nn.Sequential(_convolution(inputs, width, 1), _convolution(width, width, 3)),
                nn.Sequential(_convolution(inputs, width, 1), _convolution(width, width, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _convolution(inputs, width, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU(inplace=True))


def _stream() -> nn.Sequential:
    """(N, 1, 28, 28) → (N, 64·7·7)."""
    return nn.Sequential(_Block(1, 6), nn.MaxPool2d(2), _Block(24, 16), nn.MaxPool2d(2), nn.Flatten())
