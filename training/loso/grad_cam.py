"""Grad-CAM over both branches: where the network looks (the paper's Fig. 7; Selvaraju et al. 2017).

Selvaraju et al.: DOI 10.1109/ICCV.2017.74. The maps before the fusion are weighted by their mean gradient for
the true class, summed and cut off below zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recognizer.errors import AtmeError
from recognizer.network.model import DualAtme
from recognizer.recognition import CLASSES
from training.features.archive import FeatureArchive, Pairs
from training.learning.engine import normalise
from training.learning.stacked.model import State

Attention = npt.NDArray[np.float32]
"""(n, 2, 7, 7), face and puzzle: 0 to 1; each sample's greatest value is 1."""


def attention(state: State, pairs: Pairs, label: npt.NDArray[np.int64]) -> Attention:
    """Where a Dual-ATME with these weights finds evidence for ``label`` (n,), in evaluation mode.

    A correction of its logits (``learning.correction``), if the state holds one, is left out.
    """
    model = DualAtme().eval()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    with torch.no_grad():
        maps = model.embed(*(normalise(torch.from_numpy(x)) for x in (pairs.entire, pairs.puzzled)))
    for part in maps:
        part.requires_grad_()
    logits = model.classify(*maps)
    chosen = logits.gather(1, torch.from_numpy(label)[:, None]).sum()
    gradients = torch.autograd.grad(chosen, maps)
    looked = torch.stack(
        [
            (part * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1).clamp(min=0)
            for part, gradient in zip(maps, gradients, strict=True)
        ],
        dim=1,
    ).detach()
    greatest = looked.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-9)
    return np.asarray((looked / greatest).numpy(), np.float32)


def plot(archive: FeatureArchive, looked: Attention, path: Path) -> None:
    """A PNG: for each class the mean motion of face and puzzle, and over it the mean attention."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    means = [_mean(looked[archive.label == k]) for k in range(len(CLASSES))]
    greatest = max(float(mean.max()) for mean in means) or 1.0
    figure, axes = plt.subplots(2, 2 * len(CLASSES), figsize=(12.5, 4.2), layout="constrained")
    for k, name in enumerate(CLASSES):
        rows = archive.label == k
        for row, (part, features) in enumerate((("face", archive.entire), ("puzzle", archive.puzzled))):
            motion, heat = axes[row, 2 * k : 2 * k + 2]
            picture = _motion(features[rows])
            motion.imshow(picture, cmap="gray")
            motion.set_title(f"{name} ({rows.sum()}), {part}: motion", fontsize=8, loc="left")
            heat.imshow(picture, cmap="gray", extent=(0, 1, 0, 1))
            shown = heat.imshow(
                means[k][row],
                cmap="inferno",
                alpha=0.7,
                extent=(0, 1, 0, 1),
                interpolation="bicubic",
                vmin=0,
                vmax=greatest,
            )
            heat.set_title("attention", fontsize=8, loc="left")
            _bare(motion)
            _bare(heat)
    figure.colorbar(shown, ax=axes, shrink=0.9, label="Grad-CAM, mean over the class")
    try:
        figure.savefig(path, dpi=120, bbox_inches="tight")
    except OSError as error:
        raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        plt.close(figure)


def _mean(looked: Attention) -> Attention:
    """(2, 7, 7) over the samples; zeros without any."""
    return np.asarray(looked.mean(axis=0) if len(looked) else np.zeros((2, 7, 7)), np.float32)


def _motion(features: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(28, 28) mean distance of u and v from their medians (an archive loses where zero was)."""
    if not len(features):
        return np.zeros(features.shape[2:])
    flow = features[:, :2].astype(np.float64)
    flow -= np.median(flow, axis=(2, 3), keepdims=True)
    return np.asarray(np.hypot(flow[:, 0], flow[:, 1]).mean(axis=0))


def _bare(axis: Any) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
