"""KFC-MER: key facial components guide two streams of motion (Su, Zhang, Liu, Zhai, ICME 2021).

DOI 10.1109/ICME51207.2021.9428407. First-order motion is the flow (u, v, its length), second-order motion its
strain (εxx, εyy, εxy). Each goes through a shallow residual network of split attention (ResNeSt, Zhang et al.
2020, arXiv:2004.08955: a deep stem and two layers of two blocks), and maps of the face's components scale and
shift the output of its stem (spatial feature transform). Numbers that the text does not give are taken from
the authors' code.

What differs, and why: the paper takes the components from a network for face parsing (BiSeNet), ten maps;
here nine are drawn from the landmarks, which do not show glasses
(``models.face_components``). Its images are 224 px wide, here those of the archive, 128 px, so maps
are 4/7 as wide. Its augmentation is left out, and all methods are trained by one recipe.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.face_components import COMPONENTS, MOTIONS

SIDE = 128
"""Of the faces, in pixels."""
RADIX = 2
"""Groups of maps between which split attention chooses."""
HIDDEN = 256


class KfcMer(nn.Module):
    """(N, 15, 128, 128) of ``face_components.motion_and_components`` in [−1, 1] → (N, 3) logits."""

    def __init__(self, side: int = SIDE) -> None:
        """``side``: of the images, a multiple of 16."""
        super().__init__()
        self.first, self.second = Stream(), Stream()
        self.classifier = nn.Sequential(
            nn.Linear(2 * 512 * (side // 16) ** 2, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, 3)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))

    def forward(self, x: Tensor) -> Tensor:
        flow, strain, components = x[:, :3], x[:, 3:MOTIONS], x[:, MOTIONS:]
        maps = torch.cat([self.first(flow, components), self.second(strain, components)], dim=1)
        logits: Tensor = self.classifier(maps.flatten(1))
        return logits


class Stream(nn.Module):
    """Three channels of motion, guided by the components: (N, 3, S, S) → (N, 512, S/16, S/16)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(3, 32, 3, stride=2),
            _convolution(32, 32, 3),
            _convolution(32, 64, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.guide = Guide()
        self.layers = nn.Sequential(
            Bottleneck(64, 64),
            Bottleneck(256, 64),
            Bottleneck(256, 128, stride=2),
            Bottleneck(512, 128),
            nn.AvgPool2d(3, stride=2, padding=1),
        )

    def forward(self, motion: Tensor, components: Tensor) -> Tensor:
        maps: Tensor = self.layers(self.guide(self.stem(motion), components))
        return maps


class Guide(nn.Module):
    """Scales and shifts maps (N, 64, S/4, S/4) place by place, steered by the components (N, 9, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, 64, 64, 64)
        layers: list[nn.Module] = [nn.Conv2d(COMPONENTS, widths[0], 4, stride=4)]
        for inputs, outputs in zip(widths, (*widths[1:], 32), strict=True):
            layers += [nn.LeakyReLU(0.1, inplace=True), nn.Conv2d(inputs, outputs, 1)]
        self.read = nn.Sequential(*layers)
        self.scale, self.shift = _head(), _head()

    def forward(self, maps: Tensor, components: Tensor) -> Tensor:
        said = self.read(components)
        guided: Tensor = maps * (self.scale(said) + 1) + self.shift(said)
        return guided


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(32, 32, 1), nn.LeakyReLU(0.1, inplace=True), nn.Conv2d(32, 64, 1))


class Bottleneck(nn.Module):
    """1×1, 3×3 with split attention, 1×1, and a shortcut: (N, inputs, …) → (N, 4·width, …)."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        shrink: nn.Module = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.body = nn.Sequential(
            _convolution(inputs, width, 1),
            SplitAttention(width),
            shrink,
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.past: nn.Module = nn.Identity()
        if stride > 1 or inputs != 4 * width:
            self.past = nn.Sequential(
                nn.AvgPool2d(stride, stride),
                nn.Conv2d(inputs, 4 * width, 1, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.past(x))


class SplitAttention(nn.Module):
    """``RADIX`` groups of maps, summed with weights computed from the whole image; keeps the shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        inner = max(width * RADIX // 4, 32)
        self.convolve = nn.Sequential(
            nn.Conv2d(width, RADIX * width, 3, padding=1, groups=RADIX, bias=False),
            nn.BatchNorm2d(RADIX * width),
            nn.ReLU(inplace=True),
        )
        self.choose = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, RADIX * width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        groups = self.convolve(x).unflatten(1, (RADIX, self.width))
        summary = F.adaptive_avg_pool2d(groups.sum(dim=1), 1)
        weights = self.choose(summary).unflatten(1, (RADIX, self.width)).softmax(dim=1)
        chosen: Tensor = (weights * groups).sum(dim=1)
        return chosen


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
