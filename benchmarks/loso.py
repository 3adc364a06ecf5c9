"""Leave-one-subject-out training: ours against a plain loop, minutes of one seed on MEGC2019-CD's size.

From the processor time of a fold (``benchmarks.loso_speed``, which can also run the whole).
"""

from __future__ import annotations

from benchmarks.loso_speed import EPOCHS, SUBJECTS, like_megc2019, processor_seconds
from benchmarks.row import Row, cores
from training.loso.folds import leave_one_subject_out


def rows(quick: bool) -> list[Row]:
    """Extrapolated from one fold and a few epochs, one process per core."""
    archive = like_megc2019()
    train = leave_one_subject_out(archive, "benchmark")[0].train
    plain, ours = processor_seconds(archive, train, 1 if quick else 5)
    minutes = SUBJECTS / 60 / cores()
    case = f"{SUBJECTS} folds of {EPOCHS} epochs, {cores()} cores"
    return [Row(case, ours * minutes, "min", f"plain loop, {plain * minutes:.0f} min", plain / ours)]
