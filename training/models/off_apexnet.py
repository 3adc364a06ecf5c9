"""OFF-ApexNet: a stream each for horizontal and vertical flow (Gan et al. 2019).

DOI 10.1016/j.image.2019.02.005; two convolutions a stream, then two fully connected layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 1024
"""Of both fully connected layers."""


class OffApexNet(nn.Module):
    """(N, 3, 28, 28) → (N, 3) logits; strain is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.horizontal, self.vertical = _stream(), _stream()
        self.classifier = nn.Sequential(
            nn.Linear(2 * 16 * 7 * 7, WIDTH),
            nn.ReLU(inplace=True),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(inplace=True),
            nn.Linear(WIDTH, 3),
        )

    def forward(self, entire: Tensor) -> Tensor:
        streams = [self.horizontal(entire[:, :1]), self.vertical(entire[:, 1:2])]
        logits: Tensor = self.classifier(torch.cat(streams, dim=1))
        return logits


def _stream() -> nn.Sequential:
    """(N, 1, 28, 28) → (N, 16·7·7)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
