"""Keeps what pre-trained weights know about "no emotion" in a network that was fitted to a dataset.

Datasets hold emotions only: nothing can be learnt from them about blinks, speech, head motion or noise, and
a network of their classes alone would give each of them a class. So the fitted network says which emotion
it is, and the pre-trained one says, as before and with its own threshold, whether it is one at all.
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
"""Prefix of its parameters in a state of fitted weights."""
_SETTINGS = ("temperature", "refusal")
_TOLD = ("scale", "bias", "thresholds", "weights")
_UNITS = "unit_told."
"""Prefix of the parameters that turn the units' outputs into probabilities."""
LAST = ("classifier.5.weight", "classifier.5.bias")
"""The last layer's parameters, with one row per output."""

State = dict[str, Tensor]


@dataclass(frozen=True)
class UnitsTold:
    """Turns a network's outputs for units into probabilities; all float32, in the order of ``UNITS``."""

    scale: Tensor
    """(units, 1): as in ``UnitReader``, like the next."""
    bias: Tensor
    thresholds: Tensor
    """(units,)."""
    weights: Tensor
    """(units, classes): what each unit says about the pre-trained network's label."""


@dataclass(frozen=True)
class Evidence:
    """The part of pre-trained weights that tells emotions from anything else, and finds action units."""

    state: State
    """State of a Dual-ATME whose outputs are the classes, "no emotion" and, with ``units``, action units."""
    temperature: float
    refusal: float
    """Below this evidence the label is ``uncertain``."""
    units: UnitsTold | None = None
    """None for weights without action units."""

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
        """The evidence as entries of a fitted state."""
        settings = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in _SETTINGS}
        told = {} if self.units is None else {_UNITS + name: getattr(self.units, name) for name in _TOLD}
        return {PREFIX + name: value for name, value in {**self.state, **settings, **told}.items()}


def evidence_in(state: State) -> Evidence | None:
    """Reads what ``to_state`` wrote; None where there is no evidence, KeyError where a part is missing."""
    own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not own:
        return None
    temperature, refusal = (float(own.pop(name)) for name in _SETTINGS)
    told = {name: own.pop(_UNITS + name) for name in _TOLD} if _UNITS + "scale" in own else None
    return Evidence(own, temperature, refusal, None if told is None else UnitsTold(**told))


def blank(outputs: int) -> State:
    """A state with the names and shapes of evidence from a network with this many outputs; its numbers are
    arbitrary."""
    state = DualAtme(ModelConfig(classes=outputs)).state_dict()
    if outputs == LOGITS:
        return Evidence(state, 1.0, 0.0).to_state()
    many = len(UNITS)
    told = UnitsTold(
        torch.ones(many, 1), torch.zeros(many, 1), torch.ones(many), torch.ones(many, LOGITS - 1)
    )
    return Evidence(state, 1.0, 0.0, told).to_state()


class Refusing(nn.Module):
    """A network of the classes with one more logit, for "no emotion", whose odds are those of the
    evidence."""

    def __init__(self, classes: nn.Module, evidence: Evidence, temperature: float) -> None:
        """``temperature``: the one by which the combined logits will be divided."""
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
