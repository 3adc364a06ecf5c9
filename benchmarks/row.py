"""What every benchmark returns, and how it is shown: one table format, one plot, one JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "opencv-contrib-python", "mediapipe", "onnxruntime-gpu", "onnxruntime", "torch")


@dataclass(frozen=True)
class Row:
    """One figure and what it is to be compared with; both measured in the same run, alternating."""

    case: str
    value: float
    unit: str
    peer: str = ""
    """The other program, or the floor: the work that no such program can avoid."""
    ratio: float | None = None
    """How many times as good as the peer: for times and sizes peer / ours, for rates ours / peer."""


Suite = Callable[[bool], list[Row]]
"""``rows(quick)``."""


def machine() -> dict[str, str]:
    """Processor, usable cores, system, versions."""
    found = {
        "processor": _processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def markdown(name: str, rows: list[Row]) -> str:
    """A suite as a Markdown table."""
    lines = [f"## {name}", "", "| case | value | compared with | times as good |", "|---|--:|---|--:|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} ×"
        lines.append(f"| {row.case} | {row.value:.4g} {row.unit} | {row.peer} | {ratio} |")
    return "\n".join([*lines, ""])


def plot(name: str, rows: list[Row], path: Path) -> None:
    """Plots the ratios of a suite as bars, to a PNG; the line at 1 is the peer. Nothing without a ratio."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    compared = [row for row in rows if row.ratio]
    if not compared:
        return
    figure, axes = plt.subplots(figsize=(8, 1 + 0.28 * len(compared)))
    names = [f"{row.case}  ({row.value:.3g} {row.unit})" for row in compared]
    bars = axes.barh(range(len(compared)), [row.ratio or 0 for row in compared], color="0.35")
    axes.bar_label(bars, [f" {row.ratio:.3g}× {row.peer}" for row in compared], fontsize=7)
    axes.set_yticks(range(len(compared)), names, fontsize=7)
    axes.set(xscale="log", xlabel="times as good", title=name)
    low, high = (f(row.ratio or 1 for row in compared) for f in (min, max))
    axes.set_xlim(min(low, 1) / 1.5, max(high, 1) * 6)
    axes.axvline(1, color="tab:red", linewidth=1)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)
