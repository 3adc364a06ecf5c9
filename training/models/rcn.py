"""Recurrent convolutional networks with modules that have no parameters (Xia et al. 2020).

"Revealing the Invisible With Model and Data Shrinking for Composite-Database Micro-Expression Recognition",
DOI 10.1109/TIP.2020.3018222. A stem, one recurrent layer and a linear classifier, 64 maps throughout, and
around them attention (a), a wide stem (w), or all modules cascaded (c) or fused (f). Where the paper leaves
details open the authors' code decides, except that the f network's third stem, which that code builds but
never uses, is used here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAPS = 64
SIDE = 5
"""Maps are averaged to 5×5 before the classifier."""


class Rcn(nn.Module):
    """(N, 3, 28, 28) → (N, 3) logits."""

    def __init__(self, wide: bool = False, shortcuts: bool = False, attention: str = "none") -> None:
        """``attention``: none, ``after`` the recurrent layer, ``before`` or ``within`` it."""
        super().__init__()
        self.attention = attention
        self.stem = WideStem() if wide else _stem()
        self.recurrent = Recurrent(shortcuts)
        self.classifier = nn.Linear(MAPS * SIDE * SIDE, 3)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, entire: Tensor) -> Tensor:
        x = self.stem(entire)
        weights = self.classifier.weight.view(-1, MAPS, SIDE, SIDE)
        if self.attention == "before":
            seen = attention_map(entire, weights.mean(dim=1, keepdim=True))
            x = x * F.interpolate(seen, x.shape[2:])
        within = attention_map(x, weights) if self.attention == "within" else None
        y = F.adaptive_avg_pool2d(self.recurrent(x, within), SIDE)
        if self.attention == "after":
            y = y * attention_map(x, weights)
        logits: Tensor = self.classifier(y.flatten(1))
        return logits


class Recurrent(nn.Module):
    """A 1×1 convolution, then one 3×3 convolution again and again, each time on its input and its output."""

    def __init__(self, shortcuts: bool) -> None:
        """``shortcuts``: to every earlier output, not only the last one, and once more at the end."""
        super().__init__()
        self.shortcuts = shortcuts
        self.forth, self.back = _convolution(1), _convolution(3)
        self.end = nn.Sequential(nn.MaxPool2d(2), nn.Dropout(0.5))

    def forward(self, x: Tensor, attention: Tensor | None = None) -> Tensor:
        y = self.forth(x)
        if attention is not None:
            y = y * F.interpolate(attention, y.shape[2:])
        before = x
        for _ in range(3 if self.shortcuts else 2):
            before = before + y if self.shortcuts else x + y
            y = self.back(before)
        maps: Tensor = self.end(y)
        return maps


class WideStem(nn.Module):
    """Three convolutions side by side with growing receptive fields: (N, 3, 28, 28) → (N, 64, 10, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, maps, 3, stride=3, padding=reach, dilation=reach),
                nn.ReLU(inplace=True),
                nn.BatchNorm2d(maps),
                nn.Dropout(0.5),
            )
            for maps, reach in ((MAPS // 2, 1), (MAPS // 4, 2), (MAPS // 4, 3))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([stream(x) for stream in self.streams], dim=1)


def attention_map(x: Tensor, weights: Tensor) -> Tensor:
    """(N, 1, 5, 5) from 0 to 1: where the classifier's weights (classes, C or 1, 5, 5) respond to ``x``."""
    x = F.adaptive_avg_pool2d(x, SIDE)
    response = (weights[None] * x[:, None]).mean(dim=2)
    response = response - response.amin(dim=(2, 3), keepdim=True)
    return (response / response.amax(dim=(2, 3), keepdim=True).clamp(min=1e-9)).mean(dim=1, keepdim=True)


def _stem() -> nn.Sequential:
    """(N, 3, 28, 28) → (N, 64, 12, 12)."""
    return nn.Sequential(
        nn.Conv2d(3, MAPS, 5),
        nn.BatchNorm2d(MAPS),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
    )


def _convolution(size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(MAPS, MAPS, size, padding=size // 2), nn.BatchNorm2d(MAPS), nn.ReLU(inplace=True)
    )


def rcn_a() -> Rcn:
    """With attention after the recurrent layer."""
    return Rcn(attention="after")


def rcn_w() -> Rcn:
    """With the wide stem."""
    return Rcn(wide=True)


def rcn_c() -> Rcn:
    """Cascaded: attention to the input, wide stem, recurrent layer with shortcuts."""
    return Rcn(wide=True, shortcuts=True, attention="before")


def rcn_f() -> Rcn:
    """Fused: wide stem, recurrent layer with shortcuts and attention within it."""
    return Rcn(wide=True, shortcuts=True, attention="within")
