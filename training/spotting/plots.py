"""Plots of a spotting evaluation: the FROC curve, F1 against conditions, and the timeline of one clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from recognizer.errors import AtmeError
from spotting.spotter import Spotter
from spotting.spotter_config import SpotterConfig
from training.spotting.evaluate import CAUSAL, SPOTTERS
from training.spotting.report import SpotReport
from training.spotting.score import Outcome
from training.spotting.signal import Signal

AXES = {
    "peak": "peak motion, pixels of a 256-px face",
    "fps": "frames a second",
    "drift": "slow drift of the head, pixels (gestures too above 0)",
    "crf": "compression: H.264 constant rate factor, or JPEG",
}
COLOURS = dict(zip(SPOTTERS, ("#0b6e75", "#c2527a", "#8559a5", "#c06a1f", "#999999"), strict=True))
KINDS = {
    "micro": "#0b6e75",
    "macro": "#c06a1f",
    "speech": "#8559a5",
    "blink": "#777777",
    "gesture": "#b8a23b",
    "gaze": "#c2527a",
    "mouth": "#5c7fc0",
}


def plot_froc(report: SpotReport, folder: Path) -> Path:
    """Recall against false alarms a minute; the point that each spotter is set to, and the causal one's band.

    AtmeError where the folder cannot be written to.
    """
    figure, axes = _figure((6.4, 4.2))
    levels = np.geomspace(0.05, 30, 300)
    axes.fill_between(
        levels, *report.frocs[CAUSAL].band(levels), color=COLOURS[CAUSAL], alpha=0.18, linewidth=0,
        label="95 %, over videos",
    )  # fmt: skip
    for name in SPOTTERS:
        curve, result = report.frocs[name].curve, report.scores[name]
        last = max(float(curve.alarms[-1]), levels[0]) if len(curve.alarms) else levels[0]
        shown = np.append(levels[levels < last], last)
        axes.plot(shown, curve.recall_at(shown), color=COLOURS[name], label=name)
        axes.plot(max(result.alarms_per_minute, levels[0]), result.recall, "o", color=COLOURS[name])
    axes.set_xscale("log")
    axes.set(
        xlabel="false alarms a minute",
        ylabel="recall (IoU ≥ 0.5)",
        ylim=(0, 1.02),
        xlim=(levels[0], levels[-1]),
    )
    ticks = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, folder / "froc.png")


def plot_conditions(report: SpotReport, folder: Path) -> list[Path]:
    """One PNG a condition. AtmeError where the folder cannot be written to."""
    made = []
    for condition, label in AXES.items():
        rows = report.conditions.get(condition)
        if not rows:
            continue
        figure, axes = _figure((5.2, 3.4))
        figures = not any(isinstance(value, str) for value in rows)
        places = list(rows) if figures else list(range(len(rows)))
        for name in SPOTTERS:
            f1 = [row[name].f1 for row in rows.values()]
            axes.plot(places, f1, marker="o", color=COLOURS[name], label=name)
        axes.set(xlabel=label, ylabel="F1 (IoU ≥ 0.5)", ylim=(0, 1.02))
        if condition in ("peak", "fps"):
            axes.set_xscale("log")
        axes.set_xticks(places, [f"{value:g}" if figures else str(value) for value in rows])
        axes.minorticks_off()
        axes.legend(frameon=False)
        made.append(_save(figure, folder / f"f1-{condition}.png"))
    return made


def plot_timeline(outcome: Outcome, signal: Signal, folder: Path) -> Path:
    """Signal, threshold, ground truth (bands), found (bars) and rejected movements (crosses) in one clip."""
    times = np.array([sample.time for sample in signal.samples])
    spotter, thresholds = Spotter(SpotterConfig()), []
    for sample in signal.samples:
        spotter.push(sample)
        thresholds.append(spotter.threshold)
    figure, axes = _figure((13, 3.6))
    curve = np.array([sample.signal for sample in signal.samples])
    top = float(np.percentile(curve, 99.5)) * 1.25 + 0.1
    axes.plot(times, curve, color="black", linewidth=0.8, label="signal")
    axes.plot(times, thresholds, color="#c03030", linewidth=0.8, label="threshold")
    seen: set[str] = set()
    for movement in outcome.video.movements:
        name = None if movement.kind in seen else f"true {movement.kind}"
        seen.add(movement.kind)
        colour = KINDS.get(movement.kind, "#cccccc")
        axes.axvspan(movement.onset, movement.offset, color=colour, alpha=0.25, linewidth=0, label=name)
    for event in (*outcome.found, *outcome.macros):
        axes.plot((event.onset, event.offset), (0.94 * top,) * 2, color=KINDS[event.kind], linewidth=4)
        axes.plot(event.apex, 0.94 * top, "v", color=KINDS[event.kind])
    for rejection in outcome.rejections:
        place = rejection.movement.apex, 0.82 * top
        axes.plot(*place, "x", color="0.4")
        axes.annotate(rejection.reason, place, rotation=60, fontsize=6, color="0.4")
    axes.set(
        xlabel="seconds", ylabel="px of a 256-px face", ylim=(0, top), xlim=(times[0], times[-1]),
        title=_title(outcome),
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=7, ncols=8, loc="upper left", bbox_to_anchor=(0, -0.16))
    return _save(figure, folder / "timeline.png")


def typical(results: list[dict[str, Outcome]]) -> int:
    """Index of the recording with the most informative timeline: many events, of medium size."""

    def events(k: int) -> tuple[bool, int]:
        video = results[k][CAUSAL].video
        return video.conditions.get("peak", 1.5) == 1.5, len(video.movements)

    return max(range(len(results)), key=events)


def _title(outcome: Outcome) -> str:
    conditions, said = outcome.video.conditions, [f"{outcome.video.fps:g} frames a second"]
    if conditions.get("peak"):
        said.insert(0, f"{conditions['peak']:g} px")
    if "drift" in conditions:
        said.append(f"drift {conditions['drift']:g} px")
    return f"{outcome.video.name}: {', '.join(said)}"


def _figure(size: tuple[float, float]) -> tuple[Any, Any]:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=size)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot as plt

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130, bbox_inches="tight")
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from None
    finally:
        plt.close(figure)
    return path
