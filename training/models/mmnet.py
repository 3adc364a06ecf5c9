"""MMNet: where muscles move, and where in the face that is (Li, Sui, Zhu, Zhao 2022, arXiv:2201.05297).

From its §3: the main branch reads the difference of apex and onset face through continuous attention (CA)
blocks, each of which passes its attention map to the next; the sub-branch, the position calibration (PC)
module, is a small vision transformer on the onset face whose position embeddings are added to the last maps.
Numbers of filters, heads and layers that the text does not give are taken from the authors' code.

What differs, and why: the paper's images are in colour and 224 px wide; an archive keeps the grey faces of
128 px between which the flow is computed, so every map is 4/7 as wide here and the positions are 8×8 instead
of 14×14. Stochastic depth leaves out a layer's attention and perceptron together, not each by itself. The
code's optimizer (AdamW, decay 0.7) is not used: all methods are trained by one recipe.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 128
"""Of the faces, in pixels."""
STEM, MAPS, LAST = 180, (128, 128, 256, 512), 512
GAIN = 32.0
"""Gain that raises the faces' difference, a few grey levels, to what a batch norm expects at first: training
undoes any gain, but without it the statistics kept for testing are wrong for a hundred steps."""
HEADS, LAYERS, WIDER = 4, 3, 2
MOST_LEFT_OUT = 0.3
"""Share of samples for which training skips the last layer of the PC module; the first is never skipped."""


class MmNet(nn.Module):
    """(N, 2, 128, 128) onset and apex in [−1, 1] → (N, 3) logits."""

    def __init__(self, side: int = SIDE) -> None:
        """``side``: of the images, a multiple of 16."""
        super().__init__()
        self.stem = nn.Sequential(_convolution(1, STEM, 3, stride=2), _convolution(STEM, MAPS[0], 3))
        inputs = (MAPS[0], *MAPS)
        self.blocks = nn.ModuleList(
            ContinuousAttention(inputs[k], maps, stride=2 if k else 1) for k, maps in enumerate(MAPS)
        )
        self.positions = PositionCalibration(side // 16)
        self.classifier = nn.Linear(LAST * (side // 16) ** 2, 3)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, faces: Tensor) -> Tensor:
        onset, apex = faces[:, :1], faces[:, 1:]
        maps, attention = self.stem(GAIN * (apex - onset)), None
        for block in self.blocks:
            maps, attention = block(maps, attention)
        logits: Tensor = self.classifier((maps + self.positions(onset)).flatten(1))
        return logits


class ContinuousAttention(nn.Module):
    """A residual block whose spatial attention is multiplied with that of the block before (CA block)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(inputs, outputs, 3, stride),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.past: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.past = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.attend = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps (N, C, H, W) and the attention (N, 1, H, W) of the block before, None before the first."""
        maps = F.relu(self.body(x) + self.past(x))
        summary = torch.cat([maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)], dim=1)
        attention: Tensor = self.attend(summary)
        if before is not None:
            attention = attention * F.max_pool2d(before, 3, stride=2, padding=1)
        return maps * attention, attention


class PositionCalibration(nn.Module):
    """The onset face (N, 1, H, W), as ``cells``² tokens of one pixel each → (N, 512, cells, cells)."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.word = nn.Conv2d(1, LAST, 1)
        self.place = nn.Parameter(torch.zeros(1, cells**2, LAST))
        nn.init.trunc_normal_(self.place, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                LAST, HEADS, WIDER * LAST, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(LAST)

    def forward(self, onset: Tensor) -> Tensor:
        small = F.interpolate(onset, (self.cells, self.cells), mode="bilinear", antialias=True)
        words = self.word(small).flatten(2).transpose(1, 2) + self.place
        for k, layer in enumerate(self.layers):
            change = layer(words) - words
            if self.training and k:
                keep = 1 - MOST_LEFT_OUT * k / (LAYERS - 1)
                kept = torch.rand(len(words), 1, 1, device=words.device) < keep
                change = change * kept / keep
            words = words + change
        found: Tensor = self.norm(words).transpose(1, 2).unflatten(2, (self.cells, self.cells))
        return found


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
