"""The paper's ablations: modules (Table 1), regions (4), λ (5), loss and optimizer (6), on one archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from recognizer.errors import AtmeError
from training.evaluation import published as paper_tables
from training.evaluation.published import ALL, Scores
from training.features import archive as feature_archive
from training.loso.run import LosoConfig
from training.models.method import Fitting
from training.models.registry import find
from training.paper.cells import Cell, Filled, Progress, fill
from training.paper.regions import COMBINATIONS, with_puzzle_of

ENTROPY = "Entropy 2023, 25(3), 460"


@dataclass(frozen=True)
class Ablation:
    """One table: what each row changes in the paper's training."""

    rows: Callable[[LosoConfig], list[tuple[str, str, LosoConfig]]]
    """(key, title, configuration) each."""
    paper: dict[str, Scores]


def ablate(
    what: str, base: LosoConfig, progress: Progress = lambda title, done, total: None
) -> dict[str, Filled]:
    """Fills ``ablate-WHAT.md``, ``.json`` and ``.png`` in ``base.out``, and a run folder per row.

    AtmeError for an unknown table, and those of ``run_loso``.
    """
    if what not in ABLATIONS:
        near = get_close_matches(what.casefold(), ABLATIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(ABLATIONS)}"
        raise AtmeError("invalid", f"'{what}' is no ablation; {hint}")
    chosen = ABLATIONS[what]
    cells = [
        Cell(key, title, ENTROPY, config, {ALL: chosen.paper[key]} if key in chosen.paper else {})
        for key, title, config in chosen.rows(base)
    ]
    return fill(cells, f"ablate-{what}", base.out, progress)


def _modules(base: LosoConfig) -> list[tuple[str, str, LosoConfig]]:
    return [
        (name, find(name).title, replace(base, model=name, out=base.out / name))
        for name in paper_tables.TABLE_1
    ]


def _regions(base: LosoConfig) -> list[tuple[str, str, LosoConfig]]:
    """An archive holds no images, so every row cuts its puzzle from the face's flow; see ``regions``."""
    archive = feature_archive.load(base.features)
    rows = [("as-prepared", "the archive's own puzzle", replace(base, out=base.out / "as-prepared"))]
    try:
        base.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{base.out}: cannot make this folder ({error.strerror or error})"
        ) from None
    for key, regions in COMBINATIONS.items():
        features = base.out / f"{key}.npz"
        feature_archive.save(with_puzzle_of(archive, regions), features)
        rows.append((key, " and ".join(regions), replace(base, features=features, out=base.out / key)))
    return rows


def _contrast(base: LosoConfig) -> list[tuple[str, str, LosoConfig]]:
    return [
        (
            key,
            f"λ = {key}",
            replace(base, recipe=replace(base.recipe, contrast=float(key)), out=base.out / key),
        )
        for key in paper_tables.TABLE_5
    ]


def _loss(base: LosoConfig) -> list[tuple[str, str, LosoConfig]]:
    entropy = replace(base.recipe, gamma=0.0)  # focal loss with γ = 0 is cross-entropy
    variants = {
        "ce-sgd": ("cross-entropy, SGD", entropy, Fitting(optimizer="sgd")),
        "ce-adam": ("cross-entropy, Adam", entropy, Fitting()),
        "weighted-ce-adam": ("weighted cross-entropy, Adam", entropy, Fitting(weighted=True)),
        "focal-adam": ("focal loss, Adam", base.recipe, Fitting()),
    }
    return [
        (key, title, replace(base, recipe=recipe, fitting=fitting, out=base.out / key))
        for key, (title, recipe, fitting) in variants.items()
    ]


ABLATIONS = {
    "modules": Ablation(_modules, paper_tables.TABLE_1),
    "regions": Ablation(_regions, paper_tables.TABLE_4),
    "lambda": Ablation(_contrast, paper_tables.TABLE_5),
    "loss": Ablation(_loss, paper_tables.TABLE_6),
}
