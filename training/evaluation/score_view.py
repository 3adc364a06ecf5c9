"""Shows a report of ``evaluation.scores``: as a text table, as JSON, as plots."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from training.evaluation.scores import Labels, Probabilities, Report, Scores, reliability
from training.evaluation.unit_scores import UnitReport


def show(report: Report, console: Console) -> None:
    """Prints the scores, the confusion matrix, and what refusal costs and gains."""
    console.print(Group(_score_table(report), _confusion_table(report.overall), _summary(report)))


def to_json(report: Report, units: UnitReport | None = None) -> str:
    """The whole report as one JSON object, ``units`` in it if there are any; NaN becomes null."""
    whole = asdict(report) | ({"units": asdict(units)} if units is not None else {})
    return json.dumps(without_nan(whole), allow_nan=False)


def without_nan(value: Any) -> Any:
    """Only what JSON knows: dicts, lists, numbers, text; NaN becomes None."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _score_table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("set")
    for column in ("n", "Acc", "UAR", "UF1", "recall:", *CLASSES):
        table.add_column(column, justify="right", no_wrap=True)
    rows = {**report.databases, "all": report.overall}
    for name, scores in rows.items():
        means = [f"{number:.3f}" for number in (scores.accuracy, scores.uar, scores.uf1)]
        table.add_row(name, str(scores.samples), *means, "", *(f"{number:.3f}" for number in scores.recall))
    return table


def _confusion_table(scores: Scores) -> Table:
    table = Table(box=None, pad_edge=False, title="true class ↓   named as →", title_justify="left")
    table.add_column("")
    for name in CLASSES:
        table.add_column(name, justify="right")
    for name, row in zip(CLASSES, scores.confusion, strict=True):
        table.add_row(name, *(str(count) for count in row))
    return table


def _summary(report: Report) -> str:
    spans = ", ".join(
        f"{name} {report.intervals[key].low:.3f}–{report.intervals[key].high:.3f}"
        for key, name in (("accuracy", "Acc"), ("uar", "UAR"), ("uf1", "UF1"))
    )
    answered = report.answered
    return (
        f"\n95 % intervals (bootstrap over subjects): {spans}\n"
        f"calibration error (ECE): {report.ece:.3f}\n"
        f"refused below confidence {report.refusal:.2f}: {report.refused:.1%}; of the others "
        f"Acc {answered.accuracy:.3f}, UAR {answered.uar:.3f}, UF1 {answered.uf1:.3f}"
    )


def plot(report: Report, truth: Labels, probabilities: Probabilities, folder: Path) -> list[Path]:
    """Writes confusion.png, reliability.png and risk_coverage.png; makes the folder. Returns their paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{folder}: cannot make this folder ({error.strerror or error})"
        ) from None
    written = []

    def keep(figure: Any, name: str) -> None:
        path = folder / name
        try:
            figure.savefig(path, dpi=120, bbox_inches="tight")
        except OSError as error:
            raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None
        plt.close(figure)
        written.append(path)

    figure, axes = plt.subplots(figsize=(4, 4))
    counts = report.overall.confusion
    axes.imshow([[cell / max(sum(row), 1) for cell in row] for row in counts], cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(counts):
        for x, cell in enumerate(row):
            axes.text(x, y, str(cell), ha="center", va="center", color="C3")
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    axes.set(xlabel="named as", ylabel="true class", title=f"UF1 {report.overall.uf1:.3f}")
    keep(figure, "confusion.png")

    figure, axes = plt.subplots(figsize=(4, 4))
    bins = reliability(truth, probabilities)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.scatter([b[1] for b in bins], [b[2] for b in bins], s=[20 + 400 * b[3] for b in bins])
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0.3, 1.02), ylim=(0, 1.02))
    axes.set_title(f"ECE {report.ece:.3f}")
    keep(figure, "reliability.png")

    figure, axes = plt.subplots(figsize=(4, 4))
    axes.plot(report.risk_coverage.coverage, report.risk_coverage.risk)
    axes.axvline(1 - report.refused, color="0.7", linewidth=1)
    axes.set(xlabel="share answered", ylabel="share of errors among them", xlim=(0, 1), ylim=(0, None))
    keep(figure, "risk_coverage.png")
    return written
