"""The results of a finished leave-one-subject-out run: scores, and the files of its folder."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from recognizer.recognition import CLASSES
from training.evaluation.bootstrap import Interval, bounds, drawn
from training.evaluation.published import ALL, TABLE_1, TABLE_3, Scores
from training.evaluation.scores import confusion_matrix, means, score
from training.loso.folds import person
from training.loso.run import LosoRun

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Summary:
    """One score over the seeds."""

    mean: float
    deviation: float
    """Standard deviation over seeds; 0 for one seed."""
    interval: Interval
    """95 % interval of the mean over seeds, had other subjects been drawn."""


@dataclass(frozen=True)
class SetReport:
    """One database, or all."""

    samples: int
    subjects: int
    scores: dict[str, Summary]
    """``accuracy``, ``uar``, ``uf1``: counts pooled over folds before the means (method §7)."""
    confusion: tuple[tuple[int, ...], ...]
    """Summed over seeds; rows: true class."""


@dataclass(frozen=True)
class LosoReport:
    """Everything that ``results.json`` says."""

    sets: dict[str, SetReport]
    """By database, then ``all``."""
    leak: dict[str, float] | None
    """Mean UF1 over seeds that would have been claimed by peeking."""


def report(run: LosoRun) -> LosoReport:
    """Scores of a run."""
    predicted = run.probabilities.argmax(axis=2)
    names = np.unique(run.archive.database).tolist()
    chosen = {name: run.archive.database == name for name in names} if len(names) > 1 else {}
    chosen[ALL] = np.ones(len(run.archive), bool)
    people = person(run.archive)
    sets = {
        name: _set_report(run.archive.label[rows], predicted[:, rows], people[rows])
        for name, rows in chosen.items()
    }
    return LosoReport(sets, _leak(run) if run.leak is not None else None)


def _set_report(
    truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], people: npt.NDArray[np.str_]
) -> SetReport:
    names, member = np.unique(people, return_inverse=True)
    counts = np.stack(
        [
            [confusion_matrix(truth[member == k], row[member == k], len(CLASSES)) for k in range(len(names))]
            for row in predicted
        ]
    )
    by_seed = means(counts.sum(axis=1))
    # Counts weighted by how often each subject was drawn: the confusion of every draw and seed.
    by_draw = means(np.einsum("dp,spij->dsij", drawn(len(names)), counts)).mean(axis=2)
    low, high = bounds(by_draw.T).tolist()
    summaries = {
        key: Summary(
            float(by_seed[k].mean()),
            float(by_seed[k].std(ddof=1)) if len(predicted) > 1 else 0.0,
            Interval(float(by_seed[k].mean()), float(low[k]), float(high[k])),
        )
        for k, key in enumerate(("accuracy", "uar", "uf1"))
    }
    pooled = counts.sum(axis=(0, 1))
    return SetReport(
        len(truth), len(names), summaries, tuple(tuple(int(cell) for cell in row) for row in pooled)
    )


def _leak(run: LosoRun) -> dict[str, float]:
    """UF1 of the strict protocol, and of two common ways of choosing epochs by the test subjects."""
    assert run.leak is not None
    truth = run.archive.label
    right = run.leak.argmax(axis=3) == truth
    strict, subject, epoch = [], [], []
    for seed in range(len(run.seeds)):
        strict.append(score(truth, run.probabilities[seed].argmax(axis=1)).uf1)
        chosen = np.zeros(len(truth), np.int64)
        for fold in run.folds:
            best = int(right[seed][:, fold.test].sum(axis=1).argmax())
            chosen[fold.test] = run.leak[seed, best][fold.test].argmax(axis=1)
        subject.append(score(truth, chosen).uf1)
        epoch.append(max(score(truth, row.argmax(axis=1)).uf1 for row in run.leak[seed]))
    return {
        "strict": float(np.mean(strict)),
        "best_epoch_of_each_subject": float(np.mean(subject)),
        "best_epoch_of_all": float(np.mean(epoch)),
    }


# --------------------------------------------------------------------------- files


def write(run: LosoRun, result: LosoReport, folder: Path) -> None:
    """``results.json``, ``predictions.csv``, ``table.md`` and ``confusion.png``."""
    try:
        write_file(folder / "results.json", (to_json(run, result) + "\n").encode())
        leak = "\n" + "\n".join(leak_lines(result.leak)) + "\n" if result.leak else ""
        write_file(folder / "table.md", (table(run, result) + leak).encode())
        with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(_prediction_rows(run))
        _plot(result, folder / "confusion.png")
    except OSError as error:
        raise AtmeError("unwritable", f"{folder}: cannot be written ({error.strerror or error})") from None


def to_json(run: LosoRun, result: LosoReport) -> str:
    """The report, with what is needed to assess and repeat it."""
    head: dict[str, Any] = {
        "protocol": "leave-one-subject-out; last step; each subject predicted once",
        "settings": run.settings,
        "seeds": list(run.seeds),
        "folds": len(run.folds),
        "training_seconds": round(run.seconds, 1),
    }
    return json.dumps(head | asdict(result), indent=1)


def _prediction_rows(run: LosoRun) -> list[list[str]]:
    archive = run.archive
    fold_of = {index: fold.name for fold in run.folds for index in fold.test.tolist()}
    rows = [["database", "subject", "sample", "label", "predicted", *CLASSES, "fold", "seed"]]
    for seed, table_ in zip(run.seeds, run.probabilities, strict=True):
        for k, line in enumerate(table_):
            names = [str(column[k]) for column in (archive.database, archive.subject, archive.sample)]
            labels = [CLASSES[archive.label[k]], CLASSES[int(line.argmax())]]
            rows.append([*names, *labels, *(f"{p:.6f}" for p in line), fold_of[k], str(seed)])
    return rows


def table(run: LosoRun, result: LosoReport) -> str:
    """Markdown: this run beside the paper's numbers for its method, where it has any."""
    paper = papermeans(str(run.settings["model"]))
    lines = [
        "| set | samples | subjects | Acc | UAR | UF1 | UF1, 95 % over subjects | paper's Acc / UAR / UF1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, part in result.sets.items():
        numbers = [_plus_minus(part.scores[key]) for key in ("accuracy", "uar", "uf1")]
        span = part.scores["uf1"].interval
        cells = [
            name,
            part.samples,
            part.subjects,
            *numbers,
            f"{span.low:.3f}–{span.high:.3f}",
            three(paper.get(name)),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"Strict leave-one-subject-out of {run.settings['model']}, {len(run.seeds)} seed(s), split "
        f"{run.settings['split_hash']}.",
    ]
    if ALL in paper and set(np.unique(run.archive.database)) != {"casme2", "smic", "samm"}:
        lines.append("The paper's line for all is CASME II, SAMM and SMIC-HS together.")
    return "\n".join(lines) + "\n"


def leak_lines(leak: dict[str, float]) -> list[str]:
    """The warning that goes with ``--show-leak``."""
    return [
        "LEAK, not a result: what choosing epochs on the test subjects would have claimed.",
        f"UF1 {leak['strict']:.3f} strict → {leak['best_epoch_of_all']:.3f} with the best test epoch → "
        f"{leak['best_epoch_of_each_subject']:.3f} with the best test epoch of each subject.",
    ]


def _plus_minus(summary: Summary) -> str:
    return f"{summary.mean:.3f}" + (f" ± {summary.deviation:.3f}" if summary.deviation else "")


def papermeans(method: str) -> dict[str, Scores]:
    """By set; empty where the paper does not have the method."""
    return TABLE_3.get(method) or ({ALL: TABLE_1[method]} if method in TABLE_1 else {})


def three(scores: Scores | None) -> str:
    """``Acc / UAR / UF1``, with a dash for what the paper does not give."""
    return " / ".join("–" if number is None else f"{number:.3f}" for number in scores or (None,) * 3)


def _plot(result: LosoReport, path: Path) -> None:
    """Confusion matrices, one per database, rows as shares of the true class."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(result.sets), figsize=(3.2 * len(result.sets), 3.4), squeeze=False)
    for axis, (name, part) in zip(axes[0], result.sets.items(), strict=True):
        shares = np.array(part.confusion) / np.maximum(np.sum(part.confusion, axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            axis.text(column, row, f"{share:.2f}", ha="center", va="center", color="C3")
        axis.set_xticks(range(len(CLASSES)), CLASSES, rotation=30)
        axis.set_yticks(range(len(CLASSES)), CLASSES if axis is axes[0, 0] else [])
        axis.set(title=f"{name}, UF1 {part.scores['uf1'].mean:.3f}", xlabel="named as")
    axes[0, 0].set_ylabel("true class")
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
