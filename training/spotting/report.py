"""Everything that ``atme-train spot-evaluate`` measures: spotters side by side, and breakdowns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training.evaluation.bootstrap import Interval, bounds, drawn
from training.spotting.breakdown import (
    COMPARED,
    CONDITIONS,
    SORTS,
    Part,
    by,
    by_sort,
    lasting,
    same_timelines,
)
from training.spotting.evaluate import CAUSAL, OTHER_POINTS, SPOTTERS
from training.spotting.froc import Froc, froc
from training.spotting.labelling import Gated, Labelled, gated
from training.spotting.score import Outcome, SpotScore, f1_counts, f1_of, score
from training.spotting.types import TypeScore, by_type


@dataclass(frozen=True)
class SpotReport:
    """Everything that was measured; JSON-ready but for the outcomes."""

    frocs: dict[str, Froc]
    """By spotter: recall against false alarms a minute."""
    scores: dict[str, SpotScore]
    """By spotter, at its operating point; the causal one at its other operating points, too."""
    f1: dict[str, Interval]
    """By spotter; a bootstrap over recordings."""
    conditions: dict[str, dict[Any, dict[str, SpotScore]]]
    """Condition of a recording → value → spotter, for conditions that some recordings have."""
    sorts: dict[str, dict[str, dict[str, Part]]]
    """Property of true movements → sort → spotter."""
    rates: dict[float, SpotScore]
    """The causal spotter on the same events at two rates, movements of ``LASTING`` and more."""
    types: dict[str, dict[str, TypeScore]]
    """By spotter: micro- and macro-expressions, and both."""
    labelled: Labelled | None

    @property
    def strs(self) -> float | None:
        """F1 of spotting × F1 of the labels; None where nothing was labelled."""
        return self.scores[CAUSAL].f1 * self.labelled.uf1 if self.labelled else None

    @property
    def after_refusal(self) -> Gated | None:
        """The causal spotter without the events on which the recognizer abstains; None where nothing was
        labelled."""
        return gated(self.scores[CAUSAL], self.labelled) if self.labelled else None


def make_report(results: Sequence[dict[str, Outcome]], labelled: Labelled | None) -> SpotReport:
    """Pools the outcomes of all recordings."""
    names = (CAUSAL, *OTHER_POINTS, *SPOTTERS[1:])
    lists = {name: [result[name] for result in results] for name in names}
    scores = {name: score(lists[name]) for name in names}
    return SpotReport(
        frocs={name: froc(lists[name]) for name in SPOTTERS},
        scores=scores,
        f1={name: _f1_interval(lists[name]) for name in names},
        conditions={
            condition: rows
            for condition in CONDITIONS
            if (rows := _turned({name: by(condition, lists[name]) for name in SPOTTERS}))
        },
        sorts={
            name: rows
            for name in SORTS
            if (rows := _turned({s: by_sort(name, lists[s], scores[s].hits) for s in SPOTTERS}))
        },
        rates=by("fps", same_timelines(lists[CAUSAL], COMPARED), lasting),
        types={name: by_type(lists[name]) for name in SPOTTERS},
        labelled=labelled,
    )


def _turned(parts: dict[str, dict[Any, Any]]) -> dict[Any, dict[str, Any]]:
    """Spotter → row becomes row → spotter; all spotters have the same rows."""
    return {row: {name: parts[name][row] for name in SPOTTERS} for row in parts[CAUSAL]}


def _f1_interval(outcomes: Sequence[Outcome]) -> Interval:
    counts = f1_counts(outcomes)
    low, high = bounds(f1_of(drawn(len(counts)) @ counts)) if len(counts) else (0.0, 0.0)
    return Interval(float(f1_of(counts.sum(axis=0))), float(low), float(high))


def to_json(report: SpotReport) -> str:
    """One object."""
    return json.dumps(
        {
            "froc": {name: curve.to_dict() for name, curve in report.frocs.items()},
            "spotters": {
                name: {**result.to_dict(), "f1_interval": _ends(report.f1[name])}
                for name, result in report.scores.items()
            },
            "by": _rows(report.conditions),
            "by movement": _rows(report.sorts),
            "same events of 200 ms and more, by fps": {
                str(rate): result.to_dict() for rate, result in report.rates.items()
            },
            "by type": {
                name: {kind: result.to_dict() for kind, result in kinds.items()}
                for name, kinds in report.types.items()
            },
            "labels": asdict(report.labelled) if report.labelled else None,
            "after refusal": asdict(report.after_refusal) if report.after_refusal else None,
            "strs": report.strs,
        }
    )


def _rows(tables: dict[str, dict[Any, dict[str, Any]]]) -> dict[str, Any]:
    return {
        table: {
            str(value): {name: result.to_dict() for name, result in row.items()}
            for value, row in rows.items()
        }
        for table, rows in tables.items()
    }


def _ends(interval: Interval) -> list[float]:
    return [round(interval.low, 4), round(interval.high, 4)]
