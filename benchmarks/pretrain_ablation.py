"""What each choice in pre-training is worth: each is changed alone and measured on rendered pairs.

    python -m benchmarks.rendered_pairs --portrait … --pairs pairs.npz
    python -m benchmarks.pretrain_ablation --pairs pairs.npz --out runs [--seeds 2] [--workers 2]

Three to five minutes per row and seed on one core; weights that exist in ``--out`` are not trained again.
Real flows are not used, so that choices made here are not selected on them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.rendered_pairs import PEAKS, Floats, Pair, judged, load_pairs
from recognizer.console.command_line import run
from recognizer.network.backend import Backend
from training.evaluation.scores import score
from training.executors import in_process, local
from training.learning.pretrain import PretrainConfig, make_weights

WANTED = 0.9
"""Share of the pairs without an emotion to be refused, for which the cost is reported."""


@dataclass(frozen=True)
class Choice:
    """One row: what it changes in the delivered configuration."""

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    synthesis: dict[str, Any] = field(default_factory=dict)


CHOICES = (
    Choice("as delivered"),
    Choice("cross-entropy instead of focal loss", {"gamma": 0.0}),
    Choice("no contrast loss", {"contrast": 0.0}),
    Choice("no label smoothing", {"smoothing": 0.0}),
    Choice("the last weights, no average", {"average": 0.0}),
    Choice("classes equally often", {}, {"prior": (1 / 3, 1 / 3, 1 / 3)}),
    Choice("no samples without an emotion", {}, {"non_events": 0.0}),
    Choice("the published geometry alone", {}, {"published": 1.0}),
)


@dataclass(frozen=True)
class Figures:
    """Results of one network on the pairs."""

    uf1: float
    """Over all peaks."""
    small: float
    """UF1 over the two smallest peaks."""
    cost: float
    """Share of the true pairs refused when ``WANTED`` of the others are."""


def train(out: Path, job: tuple[Choice, int]) -> Path:
    """Trains one row's network unless it exists."""
    choice, seed = job
    weights = out / f"{choice.name.replace(' ', '-')}-{seed}.onnx"
    if not weights.is_file():
        config = PretrainConfig(seed=seed, **choice.training)
        config = replace(config, synthesis=replace(config.synthesis, **choice.synthesis))
        draft = weights.with_suffix(".part.onnx")
        make_weights(config, draft, "benchmarks.pretrain_ablation", lambda step, loss: None)
        draft.replace(weights)
    return weights


def figures(probabilities: Floats, evidence: Floats, pairs: list[Pair]) -> Figures:
    """The results, from the network's outputs for the pairs."""
    label, peak = np.array([pair.label for pair in pairs]), np.array([pair.peak for pair in pairs])
    events, small = label >= 0, np.isin(peak, PEAKS[:2])
    predicted = probabilities.argmax(axis=1)
    threshold = np.quantile(evidence[~events], WANTED)
    return Figures(
        score(label[events], predicted[events]).uf1,
        score(label[events & small], predicted[events & small]).uf1,
        float((evidence[events] <= threshold).mean()),
    )


def table(rows: dict[str, list[Figures]]) -> str:
    """One Markdown line per choice: the mean over seeds, and each seed's figure."""
    lines = [
        f"| choice | UF1 | at {PEAKS[0]} and {PEAKS[1]} px | lost to refuse {WANTED:.0%} of the others |",
        "|---|---|---|---|",
    ]
    for name, found in rows.items():
        cells = [[getattr(one, column) for one in found] for column in ("uf1", "small", "cost")]
        shown = [f"{np.mean(cell):.3f} ({', '.join(f'{value:.3f}' for value in cell)})" for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, required=True, help="of benchmarks.rendered_pairs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = load_pairs(options.pairs)
    jobs = [(choice, seed) for seed in range(options.seeds) for choice in CHOICES]
    work = partial(train, options.out)
    done = in_process(work, jobs) if options.workers < 2 else local(work, jobs, options.workers)
    weights = dict(track(done, "training", len(jobs), console=Console(stderr=True)))
    rows: dict[str, list[Figures]] = {}
    for number, (choice, _) in enumerate(jobs):
        said = judged(Backend(weights[number]), pairs)
        rows.setdefault(choice.name, []).append(figures(said.probabilities, said.evidence, pairs))
    print(table(rows))


if __name__ == "__main__":
    run(main, "pretrain_ablation")
