"""``atme demo``: a rendered face with known micro-expressions, and how many of them are found."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir
from rich import box
from rich.console import Console
from rich.table import Table

from recognizer.errors import AtmeError
from recognizer.files.untrusted_text import read_records
from recognizer.files.write import write_file
from recognizer.machine.own_module import own_module
from stream.event import MicroExpression


@dataclass(frozen=True)
class Truth:
    """One micro-expression that the clip was rendered with; seconds."""

    label: str
    onset: float
    apex: float
    offset: float


def demo_clip() -> Path:
    """The demo clip of this user's cache; rendered first if it is missing or damaged.

    Rendering belongs to the offline package, which live code does not import: it runs as a command.
    """
    path = Path(user_cache_dir("atme-live")) / "demo.mp4"
    seal = path.with_suffix(".sha256")
    if not seal.is_file() or seal.read_bytes() != _digest(path):
        command = own_module("training.cli.main", "synthesize-clip", str(path))
        if subprocess.run(command, check=False).returncode != 0:
            raise AtmeError("internal", f"{path}: the demo clip could not be rendered; see the line above")
        write_file(seal, _digest(path))
    return path


def _digest(clip: Path) -> bytes:
    """Digest of a clip and its ground truth; empty where one of them is missing."""
    try:
        return sha256(clip.read_bytes() + clip.with_suffix(".truth.jsonl").read_bytes()).hexdigest().encode()
    except OSError:
        return b""


def read_truth(clip: Path) -> list[Truth]:
    """The labelled movements in ``clip.truth.jsonl`` beside ``clip.mp4``; AtmeError without it."""
    path = clip.with_suffix(".truth.jsonl")
    if not path.is_file():
        raise AtmeError(
            "not-found",
            f"{path}: no ground truth next to the clip; render one with atme-train synthesize-clip",
        )
    rows = read_records(path, _truth)
    return [row for row in rows if row is not None]


def _truth(row: dict[str, Any]) -> Truth | None:
    label, *times = (row[name] for name in ("label", "onset", "apex", "offset"))
    return Truth(str(label), *map(float, times)) if label else None


def match(truth: Sequence[Truth], found: Sequence[MicroExpression]) -> list[MicroExpression | None]:
    """For each true movement the event whose apex lies in it, nearest first; None where there is none."""

    def best(real: Truth) -> MicroExpression | None:
        inside = [event for event in found if real.onset <= event.apex <= real.offset]
        return min(inside, key=lambda event: abs(event.apex - real.apex), default=None)

    return [best(real) for real in truth]


def compare(truth: Sequence[Truth], found: Sequence[MicroExpression]) -> bool:
    """Prints the ground truth next to what was found; True when everything was found with the right label,
    and nothing else."""
    table = Table("there was", "apex s", "found", "apex s", "apex error", box=box.SIMPLE_HEAD)
    matches = match(truth, found)
    for real, event in zip(truth, matches, strict=True):
        if event is None:
            table.add_row(real.label, f"{real.apex:.3f}", "[red]missed", "", "")
            continue
        verdict = f"[green]{event.label}" if event.label == real.label else f"[red]{event.label}"
        error = f"{1000 * (event.apex - real.apex):+.0f} ms"
        table.add_row(real.label, f"{real.apex:.3f}", verdict, f"{event.apex:.3f}", error)
    extra = [event for event in found if event not in matches]
    for event in extra:
        table.add_row("[red]nothing", "", event.label, f"{event.apex:.3f}", "")
    right = sum(
        event is not None and event.label == real.label for real, event in zip(truth, matches, strict=True)
    )
    console = Console()
    console.print(table)
    console.print(f"{right} of {len(truth)} found with the right label, {len(extra)} false alarms")
    return right == len(truth) and not extra
