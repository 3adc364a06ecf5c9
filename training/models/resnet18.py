"""ResNet-18 (He et al. 2016, DOI 10.1109/CVPR.2016.90), untrained, for three classes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)
"""Widths of the four stages of two blocks each."""


class ResNet18(nn.Module):
    """(N, 3, 28, 28) → (N, 3) logits; the maps shrink 14, 7, 7, 4, 2, 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks, inputs = [], WIDTHS[0]
        for width in WIDTHS:
            blocks += [_Block(inputs, width), _Block(width, width)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], 3))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, entire: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.blocks(self.stem(entire)))
        return logits


class _Block(nn.Module):
    """Two 3×3 convolutions with a shortcut; halves the size where it widens."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        stride = 1 if inputs == width else 2
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.past: nn.Module = nn.Identity()
        if inputs != width:
            self.past = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.past(x))
