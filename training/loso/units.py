"""Action units under leave-one-subject-out: as pre-trained, and fitted to the codes of all other subjects."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from recognizer.units import NUMBERS
from training.evaluation.score_view import without_nan
from training.evaluation.unit_codings import Coding, coded_among
from training.evaluation.unit_scores import TooFewCodedError, UnitReport, score_units
from training.features.archive import FeatureArchive
from training.learning.engine import normalise
from training.learning.evidence import Evidence
from training.learning.unit_correction import correct_unit
from training.learning.weights import load_evidence
from training.loso.folds import Fold, person

Floats = npt.NDArray[np.float64]
SUREST = 1e-4
"""Probabilities are kept at least this far from 0 and 1."""
CHUNK = 500
"""Samples predicted at once."""


@dataclass(frozen=True)
class LosoUnits:
    """How well one file of pre-trained weights finds the units of subjects that it has never seen."""

    weights: str
    pretrained: UnitReport
    """Nothing was learnt from the archive."""
    fitted: UnitReport
    """Each subject predicted by what the others' codings taught (``learning.unit_correction``)."""


def loso_units(archive: FeatureArchive, folds: list[Fold], init: Path) -> LosoUnits | None:
    """None where no unit of the archive is coded often enough to be scored, or the weights have no units."""
    names = [f"{who}/{sample}" for who, sample in zip(person(archive), archive.sample, strict=True)]
    codings = {} if archive.units is None else coded_among(names, archive.units.tolist())
    evidence = load_evidence(init) if codings else None
    if evidence is None or evidence.units is None:
        return None
    info = evidence.unit_info()
    logits = _logits(evidence, archive)
    fitted, thresholds = _fitted(logits, names, codings, folds, info["units"], info["unit_thresholds"])
    people = person(archive).tolist()
    try:
        reports = [
            score_units(_chance(said), info["units"], at, names, people, codings)
            for said, at in ((logits, info["unit_thresholds"]), (fitted, thresholds))
        ]
    except TooFewCodedError:
        return None
    return LosoUnits(init.name, *reports)


def _chance(logits: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@torch.no_grad()
def _logits(evidence: Evidence, archive: FeatureArchive) -> Floats:
    """(N, units, 2): calibrated, on the person's left and right."""
    network, parts = evidence.network(), []
    for start in range(0, len(archive), CHUNK):
        pairs = archive.pairs(slice(start, start + CHUNK))
        said = network(*(normalise(torch.from_numpy(x)) for x in (pairs.entire, pairs.puzzled)))[1]
        parts.append(torch.logit(said.double(), eps=SUREST))
    return torch.cat(parts).numpy()  # type: ignore[no-any-return]


def _fitted(
    logits: Floats,
    names: list[str],
    codings: dict[str, Coding],
    folds: list[Fold],
    codes: tuple[str, ...],
    delivered: tuple[float, ...],
) -> tuple[Floats, list[Floats]]:
    """Logits (N, units, 2), and a threshold for each unit and sample, learnt from the other subjects."""
    found = logits.copy()
    thresholds = [np.full(len(names), value) for value in delivered]
    likelier = logits.max(axis=2)
    coded = np.array([name in codings for name in names])
    for unit, code in enumerate(codes):
        number = NUMBERS.get(code)
        of = [codings.get(name, Coding({})) for name in names]
        present = np.array([number in one.units for one in of])
        known = coded & np.array([number not in one.doubtful for one in of])
        for fold in folds if number is not None else ():
            train, test = fold.train, fold.test
            learnt = correct_unit(likelier[train], unit, present[train], known[train])
            if learnt is None:
                continue
            found[test, unit] += learnt.shift(likelier[test], unit)[:, None]
            thresholds[unit][test] = learnt.threshold
    return found, thresholds


def write_units(units: list[LosoUnits], folder: Path) -> None:
    """``units.json`` in the run folder."""
    text = json.dumps(without_nan([asdict(one) for one in units]), indent=1) + "\n"
    try:
        write_file(folder / "units.json", text.encode())
    except OSError as error:
        raise AtmeError("unwritable", f"{folder}: cannot be written ({error.strerror or error})") from None
