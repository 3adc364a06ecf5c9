"""Keeps what pre-trained weights know of "no emotion" in a network that was fitted to a data set.

Data sets hold emotions only: nothing can be learnt from them about blinks, speech, head motion or noise, and
a network of their classes alone would name every one of them. So the fitted network says which emotion it
is, and the pre-trained one says, as before and with its own threshold, whether it is one at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recognizer.model import DualAtme, ModelConfig
from recognizer.recognition import CLASSES
from training.pretrain import FlipAveraged

PREFIX = "evidence."
"""Names of its parameters in a state of fitted weights begin so."""
_SETTINGS = ("temperature", "refusal")

State = dict[str, Tensor]


@dataclass(frozen=True)
class Evidence:
    """Pre-trained weights as far as they tell emotions from what is none."""

    state: State
    """Of a Dual-ATME whose last logit is "no emotion"."""
    temperature: float
    refusal: float
    """Below this evidence the label is ``uncertain``."""

    def network(self) -> nn.Module:
        """(N, 3, 28, 28) twice → (N, classes + 1) logits, averaged over the mirrored pair."""
        network = DualAtme(ModelConfig(classes=len(CLASSES) + 1)).eval()
        network.load_state_dict(self.state)
        return FlipAveraged(network).eval()

    def to_state(self) -> State:
        """As entries of a fitted state."""
        settings = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in _SETTINGS}
        return {PREFIX + name: value for name, value in {**self.state, **settings}.items()}


def evidence_in(state: State) -> Evidence | None:
    """What ``to_state`` wrote; None where there is none. KeyError where a part of it is missing."""
    own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not own:
        return None
    temperature, refusal = (float(own.pop(name)) for name in _SETTINGS)
    return Evidence(own, temperature, refusal)


class Refusing(nn.Module):
    """A network of classes with one logit more, for "no emotion", that gives the evidence its own odds."""

    def __init__(self, classes: nn.Module, evidence: Evidence, temperature: float) -> None:
        """``temperature``: that by which the logits of the whole will be divided."""
        super().__init__()
        self.classes, self.evidence = classes, evidence.network()
        self._own, self._temperature = evidence.temperature, temperature

    def forward(self, entire: Tensor, puzzled: Tensor) -> Tensor:
        """(N, 3, 28, 28) float32 twice → (N, classes + 1) logits."""
        logits: Tensor = self.classes(entire, puzzled)
        said = self.evidence(entire, puzzled) / self._own
        odds = torch.logsumexp(said[:, :-1], dim=1, keepdim=True) - said[:, -1:]
        own = torch.logsumexp(logits / self._temperature, dim=1, keepdim=True)
        return torch.cat([logits, self._temperature * (own - odds)], dim=1)
