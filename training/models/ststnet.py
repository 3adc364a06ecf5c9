"""STSTNet: three shallow streams side by side (Liong et al. 2019, DOI 10.1109/FG.2019.8756567)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = (3, 5, 8)
"""Maps in each of the three streams."""


class StstNet(nn.Module):
    """(N, 3, 28, 28) of u, v, strain → (N, 3) logits; 16 maps of 10×10, averaged to 5×5, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = nn.ModuleList(_stream(filters) for filters in FILTERS)
        self.classifier = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(sum(FILTERS) * 5 * 5, 3))

    def forward(self, entire: Tensor) -> Tensor:
        logits: Tensor = self.classifier(torch.cat([stream(entire) for stream in self.streams], dim=1))
        return logits


def _stream(filters: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, filters, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(filters),
        nn.MaxPool2d(3, stride=3, padding=1),
        nn.Dropout(0.5),
    )
