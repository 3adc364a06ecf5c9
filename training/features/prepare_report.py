"""What ``prepare`` did and could not do: as a record, as text, as a table."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recognizer.files.write import write_file
from training.datasets.sample import Problem

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Prepared:
    """What became of a dataset."""

    dataset: str
    date: str
    """ISO, UTC."""
    program: str
    """Name and version."""
    preprocessing: int
    working_size: int
    samples: int
    """In the archive."""
    reused: int
    """Reused from an earlier, interrupted run."""
    by_database: dict[str, int]
    by_class: dict[str, int]
    estimated: dict[str, int]
    """Sample → apex frame, where the apex was estimated."""
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    """Repaired and skipped samples, of loading and of preparing."""

    @property
    def skipped(self) -> int:
        """Samples that are not in the archive."""
        return len({p.sample for p in self.problems if not p.repaired})

    @property
    def repaired(self) -> int:
        """Samples in the archive whose annotation was changed."""
        lost = {p.sample for p in self.problems if not p.repaired}
        return len({p.sample for p in self.problems if p.repaired} - lost)

    def metadata(self) -> dict[str, Any]:
        """What the archive says about itself."""
        kept = ("dataset", "date", "program", "preprocessing", "working_size")
        counts = {
            "samples": self.samples,
            "by_database": self.by_database,
            "by_class": self.by_class,
            "apex_estimated": len(self.estimated),
            "repaired": self.repaired,
            "skipped": self.skipped,
        }
        return {**{name: getattr(self, name) for name in kept}, "flow": "tvl1", "counts": counts}


def write_report(result: Prepared, out: Path) -> None:
    """F.npz → F.report.json and F.report.txt, beside it."""
    record = {
        **result.metadata(),
        "notes": result.notes,
        "problems": [asdict(problem) for problem in result.problems],
        "estimated_apexes": result.estimated,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_file(out.with_suffix(".report.json"), text.encode())
    lines = [headline(result), *result.notes, ""]
    lines += [f"{_outcome(p.repaired):9}{p.sample}: {p.what}" for p in result.problems]
    write_file(out.with_suffix(".report.txt"), ("\n".join(lines) + "\n").encode())


def headline(result: Prepared) -> str:
    """One line."""
    classes = ", ".join(f"{count} {name}" for name, count in result.by_class.items())
    return (
        f"{result.dataset}: {result.samples} samples prepared ({classes}); {len(result.estimated)} apexes "
        f"estimated, {result.repaired} samples repaired, {result.skipped} skipped"
    )


def show(result: Prepared, console: Console) -> None:
    """Prints headline, notes, and a table of the problems, equal ones together."""
    from rich.markup import escape
    from rich.table import Table

    console.print(escape(headline(result)), highlight=False)
    for note in result.notes:
        console.print(escape(f"note: {note}"), highlight=False)
    if not result.problems:
        return
    groups: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for problem in result.problems:
        groups[problem.repaired, problem.what].append(problem.sample)
    table = Table("", "samples", "what")
    for (repaired, what), samples in sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1]))):
        some = ", ".join(samples[:3]) + (f" and {len(samples) - 3} more" if len(samples) > 3 else "")
        table.add_row(_outcome(repaired), escape(some), escape(what))
    console.print(table)


def _outcome(repaired: bool) -> str:
    return "repaired" if repaired else "skipped"
