"""The apex detector's network: causal convolutions over the rows of the signal.

``Member`` reads whole recordings, for training; ``Panel`` reads a row at a time and carries the state of
several members. Both give the same, and so does ``spotting.apexes.panel``, which the live program uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spotting.apexes.panel import DILATIONS, SAID, STATE, TAPS
from spotting.apexes.signal_grid import CHANNELS, HEAD, MEDIANS, PLACE, SPEED
from spotting.face.places import mirrored_sides
from training.learning.export import members

OTHERS = ("blink", "speech", "mouth", "macro", "gesture", "gaze")
"""What else goes on in a clip: the members learn to tell it, because that helps them."""
_CLAMP = 6.0
"""Standard deviations; what lies further out was not seen in training."""


class Block(nn.Module):
    """Adds what it sees in ``TAPS`` steps, ``dilation`` apart, the last of them the newest."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.width, self.dilation = width, dilation
        self.spread = nn.Linear(TAPS * width, width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    @property
    def state(self) -> int:
        """Steps that it remembers."""
        return (TAPS - 1) * self.dilation

    def forward(self, held: Tensor) -> Tensor:
        """(N, T, width) → the same."""
        past = F.pad(F.relu(held), (0, 0, self.state, 0)).transpose(1, 2)
        weight = self.spread.weight.view(self.width, TAPS, self.width).transpose(1, 2)
        seen = F.conv1d(past, weight, self.spread.bias, dilation=self.dilation).transpose(1, 2)
        return held + self._mixed(seen)

    def _mixed(self, seen: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.dropout(F.relu(seen)))
        return mixed


class Member(nn.Module):
    """(N, T, CHANNELS) rows as ``shown`` → (N, T, 4 + others): a logit of an apex, the times of onset, apex
    and offset in tenths of a second, the logits of what else goes on; all ``AHEAD`` steps before."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, width: int, dropout: float) -> None:
        """``mean``, ``scale``: (CHANNELS,) of the rows that it learns from."""
        super().__init__()
        self.width = width
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.first = nn.Linear(CHANNELS, width)
        self.blocks = nn.ModuleList(Block(width, dilation, dropout) for dilation in DILATIONS)
        self.last = nn.Sequential(
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, 4 + len(OTHERS)),
        )

    def shown(self, rows: Tensor) -> Tensor:
        """(…, CHANNELS) rows → the same, standardised."""
        return ((rows - self.mean) / self.scale).clamp(-_CLAMP, _CLAMP)

    def forward(self, rows: Tensor) -> Tensor:
        held = self.first(rows)
        for block in self.blocks:
            held = block(held)
        result: Tensor = self.last(held)
        return result


class Panel(nn.Module):
    """The members' mean over the signal and its mirror image: row (1, CHANNELS), state → (4,), next state."""

    order: Tensor
    signs: Tensor

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        order, signs = _mirror()
        self.register_buffer("order", order)
        self.register_buffer("signs", signs)

    @classmethod
    def read(cls, file: Path) -> Panel:
        """What ``fit.export`` wrote."""
        read = []
        for state in members(file):
            member = Member(state["mean"], state["scale"], len(state["first.weight"]), 0.0)
            member.load_state_dict(state)
            read.append(member)
        return cls(read).eval()

    @property
    def state(self) -> Tensor:
        """Of a signal that begins."""
        member = self.members[0]
        assert isinstance(member, Member)
        return torch.zeros(len(self.members), 2, STATE, member.width)

    def forward(self, row: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """All members at once."""
        members = [member for member in self.members if isinstance(member, Member)]
        both = torch.cat([row, row[:, self.order] * self.signs])
        held = _linear(torch.stack([member.shown(both) for member in members]), [m.first for m in members])
        kept, begin = [], 0
        for blocks in zip(*(member.blocks for member in members), strict=True):
            block = blocks[0]
            end = begin + block.state
            past = torch.cat([state[:, :, begin:end], F.relu(held)[:, :, None]], dim=2)
            taps = torch.cat([past[:, :, k * block.dilation] for k in range(TAPS)], dim=2)
            seen = F.relu(_linear(taps, [one.spread for one in blocks]))
            held = held + _linear(seen, [one.mix for one in blocks])
            kept.append(past[:, :, 1:])
            begin = end
        held = _linear(F.relu(held), [member.last[1] for member in members])
        out = _linear(F.relu(held), [member.last[4] for member in members])
        found = _said(out).mean(dim=(0, 1)), torch.cat(kept, dim=2)
        return (*found, self.flat()) if torch.onnx.is_in_onnx_export() else found

    def flat(self) -> Tensor:
        """(members, …) their weights, as ``spotting.apexes.panel.Panel`` takes them."""
        found = []
        for one in self.members:
            assert isinstance(one, Member)
            parts = [one.mean, one.scale, self._mirrored(one.mean), one.scale[self.order]]
            parts += [one.first.weight.t(), self._mirrored(one.first.weight).t(), one.first.bias]
            blocks = [layer for block in one.blocks for layer in (block.spread, block.mix)]
            for layer in (*blocks, one.last[1], one.last[4]):
                assert isinstance(layer, nn.Linear)
                outputs = SAID if layer is one.last[4] else one.width
                parts += [layer.weight[:outputs].t(), layer.bias[:outputs]]
            found.append(torch.cat([part.reshape(-1) for part in parts]))
        return torch.stack(found)

    def _mirrored(self, columns: Tensor) -> Tensor:
        """(…, CHANNELS) of a row → of the mirrored face's row, so that the row need not be mirrored."""
        return (columns * self.signs)[..., self.order]

    def whole(self, rows: Tensor) -> Tensor:
        """(T, CHANNELS) rows of a recording → (T, 4), what ``forward`` says of one after the other."""
        both = torch.stack([rows, rows[:, self.order] * self.signs])
        said = []
        for member in self.members:
            assert isinstance(member, Member)
            said.append(_said(member(member.shown(both))))
        return torch.cat(said).mean(dim=0)


def _said(out: Tensor) -> Tensor:
    """(…, 4 + others) of a member → (…, 4): likelihood, then onset, apex and offset."""
    return torch.cat([out[..., :1].sigmoid(), out[..., 1:4]], dim=-1)


def _linear(rows: Tensor, layers: Sequence[nn.Module]) -> Tensor:
    """(members, N, in) → (members, N, out), each member's rows through its own layer."""
    known = [layer for layer in layers if isinstance(layer, nn.Linear)]
    weight, bias = (torch.stack([getattr(layer, name) for layer in known]) for name in ("weight", "bias"))
    return rows @ weight.transpose(1, 2) + bias[:, None]


def _mirror() -> tuple[Tensor, Tensor]:
    """Order and signs that turn a row into that of the face's mirror image."""
    sides, sign = mirrored_sides()
    order, signs = torch.arange(CHANNELS), torch.ones(CHANNELS)
    for part in (SPEED, PLACE):
        order[part] = part.start + torch.from_numpy(sides)
        signs[part] = torch.from_numpy(sign)
    signs[[MEDIANS.start, MEDIANS.start + 2]] = -1.0  # to the right
    signs[[HEAD.start, HEAD.start + 2, HEAD.start + 4, HEAD.start + 6]] = -1.0  # to the right, roll
    return order, signs
