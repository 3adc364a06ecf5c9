"""Keeps what pre-trained weights know of "no emotion" in a network that was fitted to a dataset.

Datasets hold emotions only: nothing can be learnt from them about blinks, speech, head motion or noise, and
a network of their classes alone would name every one of them. So the fitted network says which emotion it
is, and the pre-trained one says, as before and with its own threshold, whether it is one at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recognizer.network.model import DualAtme, ModelConfig
from recognizer.units import UNITS
from training.learning.pretrain import FlipAveraged
from training.learning.unit_head import LOGITS, OUTPUTS, UnitReader

PREFIX = "evidence."
"""Names of its parameters in a state of fitted weights begin so."""
_SETTINGS = ("temperature", "refusal")
_TOLD = ("scale", "bias", "thresholds", "weights")
_UNITS = "unit_told."
"""Names of what makes the units' outputs probabilities begin so."""
LAST = ("classifier.5.weight", "classifier.5.bias")
"""Names of the last layer's parameters: a row an output."""

State = dict[str, Tensor]


@dataclass(frozen=True)
class UnitsTold:
    """What makes a network's outputs for units probabilities; all float32, in the order of ``UNITS``."""

    scale: Tensor
    """(units, 1): of ``UnitReader``, as the next."""
    bias: Tensor
    thresholds: Tensor
    """(units,)."""
    weights: Tensor
    """(units, classes): what each unit says of the pre-trained network's label."""


@dataclass(frozen=True)
class Evidence:
    """Pre-trained weights as far as they tell emotions from what is none, and action units."""

    state: State
    """Of a Dual-ATME whose logits are the classes and "no emotion", and, with ``units``, those of units."""
    temperature: float
    refusal: float
    """Below this evidence the label is ``uncertain``."""
    units: UnitsTold | None = None
    """None of weights that tell none."""

    def network(self) -> nn.Module:
        """(N, 3, 28, 28) twice → (N, classes + 1) logits, averaged over the mirrored pair; with ``units``
        their probabilities too."""
        network = DualAtme(ModelConfig(classes=LOGITS if self.units is None else OUTPUTS)).eval()
        network.load_state_dict(self.state)
        if self.units is None:
            return FlipAveraged(network).eval()
        reader = UnitReader(network).eval()
        reader.scale.copy_(self.units.scale)
        reader.bias.copy_(self.units.bias)
        return reader

    def unit_info(self) -> dict[str, Any]:
        """Entries of ``ModelInfo``."""
        if self.units is None:
            return {}
        rows = self.units.weights.double().tolist()
        return {
            "units": tuple(UNITS),
            "unit_thresholds": tuple(round(one, 4) for one in self.units.thresholds.double().tolist()),
            "unit_weights": tuple(tuple(round(one, 4) for one in row) for row in rows),
        }

    def to_state(self) -> State:
        """As entries of a fitted state."""
        settings = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in _SETTINGS}
        told = {} if self.units is None else {_UNITS + name: getattr(self.units, name) for name in _TOLD}
        return {PREFIX + name: value for name, value in {**self.state, **settings, **told}.items()}


def evidence_in(state: State) -> Evidence | None:
    """What ``to_state`` wrote; None where there is none. KeyError where a part of it is missing."""
    own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not own:
        return None
    temperature, refusal = (float(own.pop(name)) for name in _SETTINGS)
    told = {name: own.pop(_UNITS + name) for name in _TOLD} if _UNITS + "scale" in own else None
    return Evidence(own, temperature, refusal, None if told is None else UnitsTold(**told))


def blank(outputs: int) -> State:
    """A state with the names and shapes that evidence of a network of so many outputs has; its numbers mean
    nothing."""
    state = DualAtme(ModelConfig(classes=outputs)).state_dict()
    if outputs == LOGITS:
        return Evidence(state, 1.0, 0.0).to_state()
    many = len(UNITS)
    told = UnitsTold(
        torch.ones(many, 1), torch.zeros(many, 1), torch.ones(many), torch.ones(many, LOGITS - 1)
    )
    return Evidence(state, 1.0, 0.0, told).to_state()


class Refusing(nn.Module):
    """A network of classes with one logit more, for "no emotion", that gives the evidence its own odds."""

    def __init__(self, classes: nn.Module, evidence: Evidence, temperature: float) -> None:
        """``temperature``: that by which the logits of the whole will be divided."""
        super().__init__()
        self.classes, self.evidence = classes, evidence.network()
        self._own, self._temperature = evidence.temperature, temperature

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 3, 28, 28) float32 twice → (N, classes + 1) logits, and units where the evidence has them."""
        logits: Tensor = self.classes(entire, puzzled)
        whole = self.evidence(entire, puzzled)
        said = (whole[0] if isinstance(whole, tuple) else whole) / self._own
        odds = torch.logsumexp(said[:, :-1], dim=1, keepdim=True) - said[:, -1:]
        own = torch.logsumexp(logits / self._temperature, dim=1, keepdim=True)
        refusing = torch.cat([logits, self._temperature * (own - odds)], dim=1)
        return (refusing, whole[1]) if isinstance(whole, tuple) else refusing
