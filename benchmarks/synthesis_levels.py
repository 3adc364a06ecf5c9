"""How alike are the two levels of the synthesis: flow fields drawn directly, and rendered pairs after TV-L1?

Both become the same kind of features, so the features are compared: how widely a channel spreads about its
median, how rough and grainy it is, how peaked. ``--fit`` varies the few constants of the drawn level one by
one and reports the nearest; the rendered pairs come from ``benchmarks.rendered_pairs --pairs``. With
``--portrait`` real faces are compared with the random ones.

    python -m benchmarks.synthesis_levels --pairs pairs.npz --picture levels.png
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.rendered_pairs import NON_EVENTS, load_pairs
from recognizer.face import locate
from recognizer.recognition import CLASSES
from training.rendering.portrait import load_portrait
from training.synthesis.face_shape import random_faces
from training.synthesis.flow import Samples, synthesize
from training.synthesis.random_motion import NON_EVENT, SynthesisConfig

Features = npt.NDArray[np.float64]
"""(N, 3, 28, 28), 0–1."""
STATISTICS = ("spread", "roughness", "grain", "peakedness")
CHANNELS = ("u", "v", "strain")
GROUPS = ("events", "non-events")
QUANTILES = (0.25, 0.5, 0.75)
CANDIDATES: dict[str, tuple[Any, ...]] = {
    "patchy": (0.5, 0.65, 0.8, 0.9),
    "grain": ((1.0, 5.0), (0.8, 4.0), (0.6, 3.0), (0.5, 2.0)),
    "fidelity": ((1.0, 12.0), (2.0, 16.0), (3.0, 24.0)),
    "noise": (0.06, 0.09, 0.12),
}


def statistics(features: Features) -> npt.NDArray[np.float64]:
    """(N, 4, 3): ``STATISTICS`` of every channel; NaN for a channel without motion."""
    off = features - np.median(features, axis=(2, 3), keepdims=True)
    spread = off.std(axis=(2, 3))
    down, across = np.diff(features, axis=2), np.diff(features, axis=3)
    rough = np.sqrt(((down**2).mean(axis=(2, 3)) + (across**2).mean(axis=(2, 3))) / 2)
    inner = features[:, :, 1:-1, 1:-1]
    around = features[:, :, 2:, 1:-1] + features[:, :, :-2, 1:-1]
    around = around + features[:, :, 1:-1, 2:] + features[:, :, 1:-1, :-2]
    grain = np.sqrt(((around - 4 * inner) ** 2).mean(axis=(2, 3)))
    with np.errstate(divide="ignore", invalid="ignore"):
        peaked = (off**4).mean(axis=(2, 3)) / spread**4
        return np.stack([spread, rough / spread, grain / spread, peaked], axis=1)


def summary(entire: Features, puzzled: Features) -> npt.NDArray[np.float64]:
    """(2, 3, 4, 3): quantiles of the statistics of face and puzzle."""
    return np.stack([np.nanquantile(statistics(x), QUANTILES, axis=0) for x in (entire, puzzled)])


def drawn(group: str, config: SynthesisConfig, samples: int) -> Samples:
    """Samples of the drawn level, in this project's own geometry."""
    config = replace(config, published=0.0, non_events=float(group == "non-events"))
    return synthesize(samples, torch.Generator().manual_seed(0), config)


def distance(
    config: SynthesisConfig, rendered: dict[str, npt.NDArray[np.float64]], samples: int = 400
) -> float:
    """Mean |log ratio| of all quantiles: 0 where the levels are alike, 0.1 where they are 10 % apart."""
    gaps = []
    for group, wanted in rendered.items():
        part = drawn(group, config, samples)
        gaps.append(np.abs(np.log(summary(_unit(part.entire), _unit(part.puzzled)) / wanted)))
    return float(np.mean(gaps))


def _unit(feature: torch.Tensor) -> Features:
    return feature.double().numpy() / 255


def fit(rendered: dict[str, npt.NDArray[np.float64]], console: Console) -> SynthesisConfig:
    """One pass over ``CANDIDATES``, each constant at its best before the next is tried."""
    best = SynthesisConfig()
    for name, values in CANDIDATES.items():
        scores = [distance(replace(best, **{name: value}), rendered) for value in values]
        best = replace(best, **{name: values[int(np.argmin(scores))]})
        tried = ", ".join(f"{value}: {score:.3f}" for value, score in zip(values, scores, strict=True))
        console.print(f"{name} {tried} → {getattr(best, name)}", highlight=False)
    return best


def table(rendered: dict[str, npt.NDArray[np.float64]], config: SynthesisConfig) -> Table:
    """Medians, rendered / drawn."""
    out = Table("median, rendered / drawn", *CHANNELS, box=None, pad_edge=False)
    for group, wanted in rendered.items():
        part = drawn(group, config, 400)
        found = summary(_unit(part.entire), _unit(part.puzzled))
        for k, picture in enumerate(("face", "puzzle")):
            for row, name in enumerate(STATISTICS):
                pairs = zip(wanted[k, 1, row], found[k, 1, row], strict=True)
                out.add_row(f"{group}, {picture}, {name}", *(f"{b:.2f} / {a:.2f}" for b, a in pairs))
    return out


def picture(pairs: list[tuple[str, Features]], config: SynthesisConfig, path: Path) -> None:
    """Three rendered and three drawn faces of every class and without emotion, side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    part = drawn("events", config, 200)
    nothing = drawn("non-events", config, 20)
    figure, axes = plt.subplots(4, 6, figsize=(9, 6.4))
    for row, name in enumerate((*CLASSES, "no emotion")):
        kinds = NON_EVENTS if row == 3 else (name,)
        left = [feature for kind, feature in pairs if kind in kinds][:: 5 if row == 3 else 1][:3]
        source = nothing.entire if row == 3 else part.entire[part.label == row]
        for column, feature in enumerate([*left, *_unit(source[:3])]):
            axes[row, column].imshow(feature[1], cmap="RdBu_r", vmin=0, vmax=1)
            axes[row, column].set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(name)
    axes[0, 1].set_title("rendered, after TV-L1 (v)")
    axes[0, 4].set_title("drawn (v)")
    figure.savefig(path, dpi=110, bbox_inches="tight")


def geometry(portraits: list[Path], console: Console) -> None:
    """Where real faces lie among the random ones: standard deviations from the mean, by part of the face."""
    faces = random_faces(2000, torch.Generator().manual_seed(0)).double().numpy()
    parts = {"brows": range(17, 27), "lids": (37, 38, 43, 44), "nose": (33,), "mouth": (48, 54), "chin": (8,)}
    for path in portraits:
        points = locate(load_portrait(path).landmarks).landmarks.astype(float)
        unit = np.linalg.norm(points[15] - points[1])
        points = (points - (points[36] + points[45]) / 2) / unit
        texts = []
        for name, index in parts.items():
            heights, height = faces[:, list(index), 1].mean(axis=1), points[list(index), 1].mean()
            texts.append(f"{name} {(height - heights.mean()) / heights.std():+.1f}")
        console.print(f"{path.name}: {', '.join(texts)}", highlight=False)


def main() -> None:
    """Prints the comparison; fits and draws if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, required=True, help="an archive of benchmarks.rendered_pairs")
    parser.add_argument("--portrait", type=Path, action="append", default=[], help="also compare this face")
    parser.add_argument("--fit", action="store_true", help="search for better constants")
    parser.add_argument("--picture", type=Path, help="write examples of both levels as a PNG")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    pairs = load_pairs(options.pairs)
    label = np.array([pair.label for pair in pairs])
    entire, puzzled = (np.stack([getattr(p, key) for p in pairs]) / 255 for key in ("entire", "puzzled"))
    chosen = {"events": label >= 0, "non-events": label == NON_EVENT}
    rendered = {group: summary(entire[which], puzzled[which]) for group, which in chosen.items()}
    config = SynthesisConfig()
    console.print(f"distance {distance(config, rendered):.3f}", highlight=False)
    if options.fit:
        config = fit(rendered, console)
    console.print(table(rendered, config))
    geometry(options.portrait, console)
    if options.picture:
        picture([(str(pair.kind), pair.entire / 255) for pair in pairs], config, options.picture)


if __name__ == "__main__":
    main()
