"""Shows a report of ``evaluation.unit_scores``: as a table, and as a plot."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from recognizer.errors import AtmeError
from recognizer.units import UNITS
from training.evaluation.bootstrap import Interval
from training.evaluation.unit_scores import LEAST, UnitReport


def show_units(report: UnitReport, console: Console) -> None:
    """Prints one row per unit, and the means."""
    table = Table(box=None, pad_edge=False)
    table.add_column("action unit")
    for column in ("coded", "AUC", "95 %", "F1", "95 %", "side right"):
        table.add_column(column, justify="right", no_wrap=True)
    for code, one in report.units.items():
        side = f"{one.sides_right} of {one.sides}" if one.sides else ""
        title = f"{code} {UNITS[code]}" if code.startswith("AU") else UNITS[code]
        table.add_row(title, str(one.positives), *_cells(one.auc), *_cells(one.f1), side)
    mean_side = f"{report.side.value:.2f} of {report.sides}" if report.sides else ""
    table.add_row("mean", "", *_cells(report.auc), *_cells(report.f1), mean_side)
    console.print(table)
    lines = [f"{report.samples} samples with a coding; units coded {LEAST} times or more"]
    if report.uncoded:
        lines.append(f"{report.uncoded} samples without a coding are left out")
    if report.unread:
        lines.append(f"not read: {', '.join(report.unread)}")
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _cells(value: Interval) -> tuple[str, str]:
    return f"{value.value:.3f}", f"{value.low:.2f}–{value.high:.2f}"


def plot_units(report: UnitReport, folder: Path) -> Path:
    """Writes units.png, AUC and F1 of every unit with their intervals; makes the folder. Returns its path."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    path = folder / "units.png"
    figure, axes = plt.subplots(figsize=(6, 1 + 0.35 * len(report.units)))
    for y, one in enumerate(report.units.values()):
        for value, colour, shift in ((one.auc, "C0", -0.12), (one.f1, "C1", 0.12)):
            axes.plot([value.low, value.high], [y + shift, y + shift], color=colour, linewidth=4, alpha=0.3)
            axes.plot(value.value, y + shift, "o", color=colour, markersize=5)
    axes.set_yticks(range(len(report.units)), [f"{u} ({one.positives})" for u, one in report.units.items()])
    axes.invert_yaxis()
    axes.plot([], [], "o", color="C0", label=f"AUC, mean {report.auc.value:.3f}")
    axes.plot([], [], "o", color="C1", label=f"F1, mean {report.f1.value:.3f}")
    axes.set(xlim=(0, 1.02), xlabel="bar: 95 % over subjects")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, bbox_inches="tight")
    except OSError as error:
        raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None
    plt.close(figure)
    return path
