"""Dual-ATME with a part left out or added: the rows of the paper's Table 1."""

from __future__ import annotations

from torch import Tensor, nn

from recognizer.network.model import Cbam, DualAtme, ModelConfig, bi_inception


class SingleBranch(nn.Module):
    """One branch and its classifier: (N, 3, 28, 28) → (N, 3) logits."""

    def __init__(self, attention: bool) -> None:
        """``attention``: CBAM after the bi-Inception, as on the branch of the whole face."""
        super().__init__()
        config = ModelConfig()
        maps = 8 * config.width
        self.branch = bi_inception(config.width)
        if attention:
            self.branch.append(Cbam(maps, config.reduction))
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(maps * 7 * 7, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.branch(x))
        return logits


def hars_only() -> SingleBranch:
    """The branch of the brow–mouth puzzle."""
    return SingleBranch(attention=False)


def aars_only() -> SingleBranch:
    """The branch of the whole face, with its attention."""
    return SingleBranch(attention=True)


def attention_on_both() -> DualAtme:
    """CBAM on the puzzle's branch too."""
    network = DualAtme()
    network.puzzled.append(Cbam(8 * network.config.width, network.config.reduction))
    return network
