"""The table of a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.faults.campaign import Result
from benchmarks.faults.outcome import OUTCOMES


def table(results: Sequence[Result]) -> str:
    """Markdown: one line per kind, one column per outcome."""
    damaged = [result for result in results if not result.case.endswith("sound")]
    lines = [f"| kind | cases | {' | '.join(OUTCOMES)} | slowest |", "|---" * (len(OUTCOMES) + 3) + "|"]
    kinds = list(dict.fromkeys(result.kind for result in damaged))
    for name in (*kinds, "all"):
        some = [result for result in damaged if name in (result.kind, "all")]
        counts = Counter(result.outcome for result in some)
        slowest = max((result.seconds for result in some), default=0.0)
        cells = " | ".join(str(counts[outcome] or "") for outcome in OUTCOMES)
        lines.append(f"| {name} | {len(some)} | {cells} | {slowest:.1f} s |")
    for result in results:
        if result.case.endswith("sound") and result.outcome != "ok":
            lines.append(f"\nUndamaged, but {result.outcome}: {result.kind}, {result.case}: {result.said}")
    return "\n".join(lines)
