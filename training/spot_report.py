"""What ``atme-train spot-evaluate`` says: one table of the spotters, and the causal one broken down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from training.spot_evaluate import CAUSAL, RULED, SPOTTERS, by, same_timelines
from training.spot_label import Gated, Labelled, gated
from training.spot_score import Outcome, SpotScore, quantiles, score

LASTING = 0.2
"""Seconds: rates are compared on movements that a slow camera can see."""
COMPARED = (30.0, 200.0)
CONDITIONS = ("peak", "fps", "drift", "crf", "face")


@dataclass(frozen=True)
class SpotReport:
    """Everything that was measured; JSON-ready but for the outcomes."""

    scores: dict[str, SpotScore]
    """By spotter."""
    conditions: dict[str, dict[Any, dict[str, SpotScore]]]
    """Condition → value → spotter; empty for real recordings."""
    rates: dict[float, SpotScore]
    """The causal spotter on the same events at two rates, movements of ``LASTING`` and more."""
    labelled: Labelled | None

    @property
    def strs(self) -> float | None:
        """F1 of spotting × F1 of the labels; None where nothing was labelled."""
        return self.scores[CAUSAL].f1 * self.labelled.uf1 if self.labelled else None

    @property
    def after_refusal(self) -> Gated | None:
        """The causal spotter less what the recognizer declines to name; None where nothing was labelled."""
        return gated(self.scores[CAUSAL], self.labelled) if self.labelled else None


def make_report(results: Sequence[dict[str, Outcome]], labelled: Labelled | None) -> SpotReport:
    """Pools the outcomes of all recordings."""
    lists = {name: [result[name] for result in results] for name in SPOTTERS}
    conditions: dict[str, dict[Any, dict[str, SpotScore]]] = {}
    rates: dict[float, SpotScore] = {}
    if results and results[0][CAUSAL].video.conditions:
        for condition in CONDITIONS:
            parts = {name: by(condition, lists[name]) for name in SPOTTERS}
            conditions[condition] = {
                value: {name: parts[name][value] for name in SPOTTERS} for value in parts[CAUSAL]
            }
        rates = by("fps", same_timelines(lists[CAUSAL], COMPARED), shortest=LASTING)
    return SpotReport({name: score(lists[name]) for name in SPOTTERS}, conditions, rates, labelled)


def to_json(report: SpotReport) -> str:
    """One object."""
    return json.dumps(
        {
            "spotters": {name: result.to_dict() for name, result in report.scores.items()},
            "by": {
                condition: {
                    str(value): {name: result.to_dict() for name, result in row.items()}
                    for value, row in rows.items()
                }
                for condition, rows in report.conditions.items()
            },
            "same events of 200 ms and more, by fps": {
                str(rate): result.to_dict() for rate, result in report.rates.items()
            },
            "labels": asdict(report.labelled) if report.labelled else None,
            "after refusal": asdict(report.after_refusal) if report.after_refusal else None,
            "strs": report.strs,
        }
    )


def show(report: SpotReport, console: Console) -> None:
    """Prints everything."""
    main = report.scores[CAUSAL]
    console.print(
        f"{main.minutes:.1f} minutes, {main.truths} micro-expressions; ms: median / 95th percentile\n"
    )
    console.print(_spotter_table(report))
    for condition, rows in report.conditions.items():
        console.print(_condition_table(condition, rows))
    if report.rates:
        each = ", ".join(f"{result.f1:.3f} at {rate:.0f}" for rate, result in report.rates.items())
        console.print(f"\nF1 on the same movements of 200 ms and more, by frames a second: {each}")
    console.print(f"\nFalse alarms of the causal spotter during: {_counts(main.alarms_during)}")
    console.print(f"Missed by it because: {_counts(main.missed)}")
    console.print(f"Turned away by it: {_counts(main.rejected)}")
    if report.labelled:
        console.print(_label_line(report))


def _spotter_table(report: SpotReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("spotter", no_wrap=True)
    for column in ("F1", "precision", "recall", "alarms/min", "apex ms", "delay ms", "STRS"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, result in report.scores.items():
        causal = name in (CAUSAL, RULED)
        table.add_row(
            name,
            *(f"{value:.3f}" for value in (result.f1, result.precision, result.recall)),
            f"{result.alarms_per_minute:.2f}",
            _spread([abs(hit.apex_error_ms) for hit in result.hits]),
            _spread([hit.delay_ms for hit in result.hits]) if causal else "the end",
            f"{report.strs:.3f}" if name == CAUSAL and report.strs is not None else "",
        )
    if kept := report.after_refusal:
        table.add_row(
            f"{CAUSAL}, named",
            *(f"{value:.3f}" for value in (kept.f1, kept.precision, kept.recall)),
            f"{kept.false_alarms_per_minute:.2f}",
        )
    return table


def _condition_table(condition: str, rows: dict[Any, dict[str, SpotScore]]) -> Table:
    titles = {
        "peak": "peak, px",
        "fps": "frames a second",
        "drift": "head drift, px",
        "crf": "compression, crf",
        "face": "face",
    }
    table = Table(box=None, pad_edge=False, title=" ", title_justify="left")
    table.add_column(titles[condition])
    for column in ("true", "F1", "alarms/min", "apex ms", "delay ms", *(f"F1 {n}" for n in SPOTTERS[1:])):
        table.add_column(column, justify="right")
    for value, row in rows.items():
        result = row[CAUSAL]
        table.add_row(
            f"{value:g}" if isinstance(value, float) else str(value),
            str(result.truths),
            f"{result.f1:.3f}",
            f"{result.alarms_per_minute:.2f}",
            _spread([abs(hit.apex_error_ms) for hit in result.hits]),
            _spread([hit.delay_ms for hit in result.hits]),
            *(f"{row[name].f1:.3f}" for name in SPOTTERS[1:]),
        )
    return table


def _label_line(report: SpotReport) -> str:
    labelled = report.labelled
    assert labelled is not None
    return (
        f"\n{labelled.hits} hits labelled: UF1 {labelled.uf1:.3f}, so STRS {report.strs:.3f}. The recognizer "
        f"declines {labelled.hits_refused:.0%} of them, {labelled.alarms_refused:.0%} of {labelled.alarms} "
        f"false alarms and {labelled.beside_refused:.0%} of {labelled.beside} badly delimited; "
        f"what it names is the row '{CAUSAL}, named'."
    )


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "nothing"


def _spread(values: Sequence[float]) -> str:
    """Median / 95th percentile."""
    found = quantiles(values, (50, 95))
    return f"{found['p50']:.0f} / {found['p95']:.0f}" if values else ""
