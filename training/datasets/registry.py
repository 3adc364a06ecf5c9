"""The datasets that ``prepare`` knows. A new one is one file with a ``load`` and one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from recognizer.errors import AtmeError
from training.datasets import casme2, casme3, megc2019, rendered, reviewed, samm, smic
from training.datasets.sample import Loaded


@dataclass(frozen=True)
class Dataset:
    """One entry."""

    name: str
    title: str
    load: Callable[[Path], Loaded]
    download: str
    """What to obtain, and from where."""
    licence: str


_CHINESE_ACADEMY = (
    "signed agreement with the Institute of Psychology, Chinese Academy of Sciences; research only"
)
_OULU = "signed agreement with the University of Oulu; research only"

DATASETS = {
    entry.name: entry
    for entry in (
        Dataset(
            "casme2",
            "CASME II, 255 clips at 200 fps",
            casme2.SET.load,
            f"{casme2.SET.sheet} and CASME2-RAW, from casme.psych.ac.cn/casme/e2",
            _CHINESE_ACADEMY,
        ),
        Dataset(
            "samm",
            "SAMM, 159 clips at 200 fps",
            samm.SET.load,
            f"{samm.SET.sheet} and the frames, from helward.mmu.ac.uk/STAFF/M.Yap/dataset.php",
            "signed agreement with Manchester Metropolitan University; research only",
        ),
        Dataset(
            "smic-hs",
            "SMIC-HS, 164 clips at 100 fps",
            smic.load,
            "the HS folders, raw or cropped (no sheet), from oulu.fi/cmvs/node/41319",
            _OULU,
        ),
        Dataset(
            "smic-hs-e",
            "SMIC-HS extended, 157 annotated clips at 100 fps",
            smic.load_extended,
            f"{smic.SHEET} and SMIC_HS_E, from oulu.fi/cmvs/node/41319",
            _OULU,
        ),
        Dataset(
            "megc2019",
            "MEGC2019-CD: SMIC-HS, CASME II and SAMM, 442 clips of 68 subjects",
            megc2019.load,
            f"{megc2019.LABELS}, from facial-micro-expressiongc.github.io/MEGC2019, beside the three sets",
            "those of the three sets",
        ),
        Dataset(
            "casme3",
            "CAS(ME)³ part A, 860 micro-expressions at 30 fps",
            casme3.load,
            f"{casme3.SHEET} and part A, from casme.psych.ac.cn/casme/e4",
            _CHINESE_ACADEMY,
        ),
        Dataset(
            "reviewed",
            "your own sessions, decided with atme review",
            reviewed.load,
            "nothing: a folder of session folders, with study.toml; docs/review.md",
            "yours",
        ),
        Dataset(
            "rendered",
            "rendered clips, to try everything without a dataset",
            rendered.load,
            "nothing: atme-train synthesize-set makes it",
            "none; it shows variations of a public-domain portrait",
        ),
    )
}


def find(name: str) -> Dataset:
    """The entry; AtmeError that names the nearest one for an unknown name."""
    if name in DATASETS:
        return DATASETS[name]
    near = get_close_matches(name.casefold(), DATASETS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(DATASETS)}"
    raise AtmeError("invalid", f"'{name}' is no dataset; {hint}")
