"""A row of ``benchmarks/real_flow_log.md`` for each weights file: labels, crop one cell off, units, refusals.

    python -m benchmarks.real_flows --features first.npz --features second.npz --units codes.csv W.onnx …

The archives are for measuring only; nothing is trained on them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.console.command_line import run
from recognizer.network.backend import Backend
from training.evaluation.scores import Scores, score
from training.evaluation.unit_codings import Coding, read_codings
from training.evaluation.unit_scores import UnitReport, score_units
from training.features import archive as feature_archive
from training.features.archive import FeatureArchive

Features = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """Results of one weights file on one archive."""

    whole: Scores
    databases: dict[str, Scores]
    moved: dict[str, float]
    """UF1 with face and puzzle moved by one cell (of 28) down, up, right and left."""
    refused: float
    """Share of the samples refused at the shipped threshold."""
    units: UnitReport | None


SHIFTS = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1)}


def moved(features: Features, down: int, right: int) -> Features:
    """(N, 3, 28, 28) moved by whole cells; the edges are repeated."""
    rows = np.clip(np.arange(features.shape[2]) - down, 0, features.shape[2] - 1)
    columns = np.clip(np.arange(features.shape[3]) - right, 0, features.shape[3] - 1)
    return features[:, :, rows][..., columns]


def measure(backend: Backend, archive: FeatureArchive, codings: dict[str, Coding] | None) -> Row:
    """All figures of one archive."""
    said = backend.predict(archive.entire, archive.puzzled)
    predicted = said.probabilities.argmax(axis=1).astype(np.int64)
    shifted = {
        name: score(
            archive.label,
            backend.probabilities(moved(archive.entire, *way), moved(archive.puzzled, *way)).argmax(axis=1),
        ).uf1
        for name, way in SHIFTS.items()
    }
    info = backend.info
    people = [f"{a}/{b}" for a, b in zip(archive.database, archive.subject, strict=True)]
    units = None
    if codings is not None and info.units:
        units = score_units(
            said.units, info.units, info.unit_thresholds, archive.sample.tolist(), people, codings
        )
    return Row(
        score(archive.label, predicted),
        {
            str(name): score(archive.label[archive.database == name], predicted[archive.database == name])
            for name in np.unique(archive.database)
        },
        shifted,
        float((said.evidence < info.refusal).mean()),
        units,
    )


def line(name: str, row: Row) -> str:
    """A line of the table."""
    parts = " ".join(f"{one.uar:.3f}/{one.uf1:.3f}" for one in row.databases.values())
    cells = [name, f"{row.whole.accuracy:.3f}", f"{row.whole.uar:.3f}", f"{row.whole.uf1:.3f}", parts]
    cells += [" ".join(f"{value:.3f}" for value in row.moved.values()), f"{row.refused:.0%}"]
    if row.units is not None:
        cells += [f"{one.value:.3f}" for one in (row.units.auc, row.units.f1, row.units.side)]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--features", type=Path, action="append", required=True)
    parser.add_argument("--units", type=Path, help="coded action units (.csv: sample,action_units)")
    options = parser.parse_args()
    codings = None if options.units is None else read_codings(options.units)
    archives = {path.stem: feature_archive.load(path, told=True) for path in options.features}
    heads = ["weights, archive", "Acc", "UAR", "UF1", "UAR/UF1 of each set"]
    heads += [f"UF1, one cell {', '.join(SHIFTS)}", "refused", "units: AUC", "F1", "side"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for weights in options.weights:
        backend = Backend(weights)
        for name, archive in archives.items():
            print(line(f"{weights.stem}, {name}", measure(backend, archive, codings)), flush=True)


if __name__ == "__main__":
    run(main, "real_flows")
