"""How often each action unit occurs, by class and database (the paper's Fig. 3), from annotation sheets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recognizer.action_units import ACTION_UNITS
from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from recognizer.recognition import CLASSES
from training.datasets.sample import Sample


@dataclass(frozen=True)
class UnitCounts:
    """One database."""

    samples: int
    coded: int
    """Samples with at least one action unit."""
    by_class: dict[int, tuple[int, int, int]]
    """Unit → in how many samples of each class; most frequent first. Sides are not told apart."""


def count(samples: Sequence[Sample]) -> dict[str, UnitCounts]:
    """By database, in alphabetical order. A unit counts once a sample, whichever side moves."""
    counted = {}
    for database in sorted({sample.database for sample in samples}):
        own = [sample for sample in samples if sample.database == database]
        pairs = Counter((unit, sample.label) for sample in own for unit in {unit for unit, _ in sample.units})
        units = sorted({unit for unit, _ in pairs})
        table = {unit: tuple(pairs[unit, label] for label in range(len(CLASSES))) for unit in units}
        ranked = dict(sorted(table.items(), key=lambda item: (-sum(item[1]), item[0])))
        counted[database] = UnitCounts(len(own), sum(bool(sample.units) for sample in own), ranked)  # type: ignore[arg-type]
    return counted


def write(counted: dict[str, UnitCounts], out: Path) -> list[str]:
    """Writes ``au_stats.md``, ``.json`` and, where anything is coded, ``.png``; returns their names."""
    written = ["au_stats.md", "au_stats.json"]
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_file(out / written[0], markdown(counted).encode())
        plain = {
            name: {"samples": one.samples, "coded": one.coded, "classes": CLASSES, "units": one.by_class}
            for name, one in counted.items()
        }
        write_file(out / written[1], (json.dumps(plain, indent=1) + "\n").encode())
        if any(one.by_class for one in counted.values()):
            _plot({name: one for name, one in counted.items() if one.by_class}, out / "au_stats.png")
            written.append("au_stats.png")
    except OSError as error:
        raise AtmeError("unwritable", f"{out}: cannot be written ({error.strerror or error})") from None
    return written


def markdown(counted: dict[str, UnitCounts]) -> str:
    """One table per database."""
    lines: list[str] = []
    for name, one in counted.items():
        lines += [f"**{name}**: {one.coded} of {one.samples} samples have action units coded.", ""]
        if one.by_class:
            heads = ["action unit", *CLASSES, "all"]
            lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for unit, numbers in one.by_class.items():
            row = [title(unit), *map(str, numbers), str(sum(numbers))]
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    return "\n".join(lines)


def title(unit: int) -> str:
    """``AU4 brow lowerer``, or the number alone for a unit without a name here."""
    return f"AU{unit} {ACTION_UNITS[unit].name}" if unit in ACTION_UNITS else f"AU{unit}"


def _plot(counted: dict[str, UnitCounts], path: Path) -> None:
    """Ranked bars for each database, stacked by class."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    longest = max(len(one.by_class) for one in counted.values())
    shape = (1, len(counted))
    figure, axes = plt.subplots(*shape, figsize=(4.2 * len(counted), 0.9 + 0.27 * longest), squeeze=False)
    colours = dict(zip(CLASSES, ("C3", "C2", "C0"), strict=True))
    for axis, (name, one) in zip(axes[0], counted.items(), strict=True):
        places = range(len(one.by_class))
        before = [0] * len(one.by_class)
        for k, label in enumerate(CLASSES):
            widths = [numbers[k] for numbers in one.by_class.values()]
            axis.barh(places, widths, left=before, color=colours[label], label=label)
            before = [a + b for a, b in zip(before, widths, strict=True)]
        axis.set_yticks(places, [title(unit) for unit in one.by_class], fontsize=8)
        axis.invert_yaxis()
        axis.set(title=f"{name} ({one.coded} of {one.samples} samples)", xlabel="samples with the unit")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
