"""The paper's Table 3: every method on one archive, under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recognizer.errors import AtmeError
from training.evaluation.published import TABLE_3
from training.features import archive as feature_archive
from training.learning.engine import Recipe
from training.loso.run import LosoConfig
from training.models.registry import find
from training.paper.cells import Cell, Filled, Progress, fill
from training.paper.lbp_top_clips import Clips

LBP_TOP = "lbp-top"

METHODS = (
    LBP_TOP,
    "bi-woof",
    "resnet18",
    "off-apexnet",
    "ststnet",
    "dual-inception",
    "rcn-a",
    "rcn-w",
    "rcn-c",
    "rcn-f",
    "kfc-mer",
    "mmnet",
    "dual-atme",
)
"""The rows, in the paper's order; OFF-ApexNet is our addition."""


def compare(
    features: Path,
    out: Path,
    methods: Sequence[str] | None,
    seeds: tuple[int, ...],
    recipe: Recipe,
    executor: str,
    workers: int,
    clips: Clips | None = None,
    progress: Progress = lambda title, done, total: None,
) -> dict[str, Filled]:
    """Fills ``compare.md``, ``compare.json`` and ``compare.png`` in ``out``, and a run folder per method.

    All networks are trained by the same recipe, so that only the networks differ. LBP-TOP is computed where
    ``clips`` are given. ``methods``: None for the paper's; methods that need images run where the archive
    holds faces. AtmeError for an unknown method, and those of ``run_loso`` and ``Clips.run``.
    """
    if methods is None:
        methods, faceless = METHODS, feature_archive.load(features, told=True).faces is None
    else:
        faceless = False  # what was requested by name is computed, or an error says why not
    if not methods:
        raise AtmeError("invalid", f"no method to compare; name some of {', '.join(METHODS)}")
    base = LosoConfig(features, out, seeds, recipe, executor=executor, workers=workers)
    cells = [
        _lbp_top(base, clips) if name == LBP_TOP else _cell(name, base, faceless)
        for name in dict.fromkeys(methods)
    ]
    return fill(cells, "compare", out, progress)


def _cell(name: str, base: LosoConfig, faceless: bool) -> Cell:
    method = find(name)
    config = replace(base, model=name, out=base.out / name)
    row = Cell(name, method.title, method.source, config, TABLE_3.get(name, {}))
    if faceless and method.needs_faces:
        return replace(row, config=None, missing="needs the faces (prepare --keep-faces)")
    return row


def _lbp_top(base: LosoConfig, clips: Clips | None) -> Cell:
    config = replace(base, out=base.out / LBP_TOP)
    row = Cell(LBP_TOP, "LBP-TOP", "DOI 10.1109/TPAMI.2007.1110", config, TABLE_3[LBP_TOP])
    if clips is None:
        return replace(row, config=None, missing="needs the clips (--dataset, --root)")
    return replace(row, work=clips.run)
