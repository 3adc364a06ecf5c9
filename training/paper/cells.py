"""Runs the rows of a table, one leave-one-subject-out run each, and writes the table after every row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.write import replacing, write_file
from training.evaluation.published import ALL, Scores
from training.features import archive as feature_archive
from training.loso import report as loso_report
from training.loso import run as loso
from training.loso.folds import leave_one_subject_out
from training.loso.report import LosoReport, three
from training.loso.run import LosoConfig, LosoRun, run_loso


@dataclass(frozen=True)
class Cell:
    """One row of a table."""

    key: str
    title: str
    source: str
    config: LosoConfig | None
    """The run's configuration; None where the row cannot be computed."""
    paper: dict[str, Scores]
    """By set; may be empty."""
    missing: str = ""
    """Why it cannot be computed."""
    work: Callable[[LosoConfig, loso.Progress], LosoRun] = run_loso
    """Function that computes it."""


@dataclass(frozen=True)
class Filled:
    """A row that has been computed."""

    run: LosoRun
    report: LosoReport


Progress = Callable[[str, int, int], None]
"""Called with the title of the current row, the number of finished trainings, and their total."""


def fill(cells: Sequence[Cell], name: str, out: Path, progress: Progress) -> dict[str, Filled]:
    """Runs what is not finished yet, row by row; the files of ``write`` are up to date after each.

    ``name``: of the files. AtmeError: those of ``run_loso``; finished rows and folds are kept.
    """
    todo = [(cell, cell.config) for cell in cells if cell.config is not None]
    sizes = [_trainings(config) for _, config in todo]
    filled: dict[str, Filled] = {}
    for k, (cell, config) in enumerate(todo):

        def step(done: int, _: int, before: int = sum(sizes[:k]), title: str = cell.title) -> None:
            progress(title, before + done, sum(sizes))

        run = cell.work(config, step)
        filled[cell.key] = Filled(run, loso_report.report(run))
        loso_report.write(run, filled[cell.key].report, config.out)
        write(cells, filled, name, out)
    if not todo:
        write(cells, filled, name, out)
    return filled


def _trainings(config: LosoConfig) -> int:
    archive = feature_archive.load(config.features)
    return len(config.seeds) * len(leave_one_subject_out(archive, str(config.features)))


# --------------------------------------------------------------------------- files


def write(cells: Sequence[Cell], filled: dict[str, Filled], name: str, out: Path) -> None:
    """``NAME.md``, ``NAME.json`` and ``NAME.png``, each whole or not at all."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_file(out / f"{name}.md", markdown(cells, filled).encode())
        write_file(out / f"{name}.json", (json.dumps(_plain(cells, filled), indent=1) + "\n").encode())
        if filled:
            _plot(cells, filled, out / f"{name}.png")
    except OSError as error:
        raise AtmeError("unwritable", f"{out}: cannot be written ({error.strerror or error})") from None


def markdown(cells: Sequence[Cell], filled: dict[str, Filled]) -> str:
    """The table, with our numbers beside the paper's."""
    databases = _databases(filled)
    heads = ["", "Acc", "UAR", "UF1", *(f"{name} UAR / UF1" for name in databases), "paper's Acc / UAR / UF1"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for cell in cells:
        row = [cell.title, *_ours(cell, filled.get(cell.key), databases), three(cell.paper.get(ALL))]
        lines.append("| " + " | ".join(row) + " |")
    for done in list(filled.values())[:1]:
        settings, samples = done.run.settings, done.report.sets[ALL].samples
        lines += [
            "",
            f"Strict leave-one-subject-out, last epoch, {len(done.run.seeds)} seed(s), {samples} samples of "
            f"{len(done.run.folds)} subjects ({', '.join(databases) or 'one database'}), split "
            f"{settings['split_hash']}. The paper's numbers are over the 442 samples and 68 subjects of "
            "MEGC2019-CD.",
        ]
    return "\n".join(lines) + "\n"


def _databases(filled: dict[str, Filled]) -> list[str]:
    return [name for done in list(filled.values())[:1] for name in done.report.sets if name != ALL]


def _ours(cell: Cell, done: Filled | None, databases: list[str]) -> list[str]:
    if done is None:
        return [f"not computed: {cell.missing}" if cell.missing else "…", *[""] * (2 + len(databases))]
    scores = done.report.sets[ALL].scores
    means = []
    for key in ("accuracy", "uar", "uf1"):
        spread = f" ± {scores[key].deviation:.3f}" if scores[key].deviation else ""
        means.append(f"{scores[key].mean:.3f}{spread}")
    parts = [done.report.sets[name].scores for name in databases]
    return means + [f"{part['uar'].mean:.3f} / {part['uf1'].mean:.3f}" for part in parts]


def _plain(cells: Sequence[Cell], filled: dict[str, Filled]) -> dict[str, Any]:
    rows = []
    for cell in cells:
        row: dict[str, Any] = {"key": cell.key, "title": cell.title, "source": cell.source}
        row["paper"] = cell.paper
        done = filled.get(cell.key)
        if done is None:
            rows.append(row | {"missing": cell.missing or "not finished"})
            continue
        row |= {"seeds": list(done.run.seeds), "settings": done.run.settings}
        rows.append(row | {"training_seconds": round(done.run.seconds, 1)} | asdict(done.report))
    return {"protocol": "leave-one-subject-out; last step; each subject predicted once", "rows": rows}


def _plot(cells: Sequence[Cell], filled: dict[str, Filled], path: Path) -> None:
    """UF1 of every row with its interval over subjects, and the paper's value."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = [cell for cell in cells if cell.key in filled][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.42 * len(rows)))
    for y, cell in enumerate(rows):
        span = filled[cell.key].report.sets[ALL].scores["uf1"].interval
        axes.plot([span.low, span.high], [y, y], color="C0", linewidth=5, alpha=0.3, solid_capstyle="butt")
        axes.plot(span.value, y, "o", color="C0")
        axes.annotate(f"{span.value:.3f}", (span.value, y), (0, 6), textcoords="offset points", ha="center")
        if ALL in cell.paper:
            axes.plot(cell.paper[ALL][2], y, "d", color="C3", markerfacecolor="none")
    axes.set_yticks(range(len(rows)), [cell.title for cell in rows])
    axes.set(xlabel="UF1 (all databases; bar: 95 % over subjects)", ylim=(-0.6, len(rows) - 0.2))
    axes.plot([], [], "o", color="C0", label="here")
    axes.plot([], [], "d", color="C3", markerfacecolor="none", label="in the paper, on MEGC2019-CD")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    axes.grid(axis="x", alpha=0.3)
    with replacing(path, ".png") as draft:
        figure.savefig(draft, dpi=120, bbox_inches="tight")
    plt.close(figure)
