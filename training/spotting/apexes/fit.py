"""Trains the apex detector on views of simulated and rendered clips: ``atme-train spot-fit``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.errors import AtmeError
from recognizer.network.weights_file import SEAL
from spotting.apexes.detector import STATE_KEY, VERSION, VERSION_KEY
from spotting.apexes.signal_grid import CHANNELS
from training.learning.export import completed, save, traced
from training.spotting.apexes.network import Member, Panel
from training.spotting.apexes.views import View


@dataclass(frozen=True)
class FitConfig:
    """How a member is trained. The same configuration, views and seed give the same weights on one machine
    type."""

    epochs: int = 5
    batch: int = 6
    width: int = 64
    dropout: float = 0.2
    learning_rate: float = 3e-3
    decay: float = 2e-2
    times: float = 0.3
    """Weight of the loss of onset, apex and offset."""
    others: float = 0.3
    """Weight of the loss of what else goes on."""
    noise: float = 0.1
    """Noise on the rows, in their standard deviations."""


@dataclass(frozen=True)
class Views:
    """Many views as arrays; see ``View``."""

    rows: npt.NDArray[np.float16]
    likely: npt.NDArray[np.float32]
    times: npt.NDArray[np.float32]
    near: npt.NDArray[np.float32]
    others: npt.NDArray[np.float32]
    known: npt.NDArray[np.float32]


def stack(views: list[View]) -> Views:
    """The same as arrays; AtmeError where there are none."""
    if not views:
        raise AtmeError("too-little", "no clip to learn from; render some with atme-train spot-benchmark")
    return Views(*(np.stack([getattr(one, name) for one in views]) for name in Views.__dataclass_fields__))


def fit(views: Views, config: FitConfig, seed: int, progress: Callable[[int, int], None]) -> Member:
    """A member trained on ``views``; ``progress``: called with (steps done, of how many)."""
    torch.set_num_threads(1)  # sums in another order are other weights
    rows = torch.from_numpy(views.rows[:, ::10].astype(np.float32)).reshape(-1, CHANNELS)
    torch.manual_seed(1000 * seed)
    member = Member(rows.mean(dim=0), rows.std(dim=0) + 1e-3, config.width, config.dropout)
    steps = config.epochs * max(len(views.rows) // config.batch, 1)
    for done, _ in enumerate(_train(member, views, config, seed), start=1):
        progress(done, steps)
    return member.eval()


def _train(member: Member, views: Views, config: FitConfig, seed: int) -> Iterator[None]:
    """Trains the member, a step at a time."""
    draw = np.random.default_rng((seed, 0))
    optimizer = torch.optim.AdamW(
        member.parameters(), config.learning_rate, weight_decay=config.decay, foreach=True
    )
    rounds = max(len(views.rows) // config.batch, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * rounds
    )
    member.train()
    for _ in range(config.epochs):
        order = draw.permutation(len(views.rows))
        for chosen in np.array_split(order, rounds):
            rows = member.shown(torch.from_numpy(views.rows[chosen].astype(np.float32)))
            loss = _loss(member(rows + config.noise * torch.randn_like(rows)), views, chosen, config)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(member.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            yield


def _loss(out: Tensor, views: Views, chosen: npt.NDArray[np.int64], config: FitConfig) -> Tensor:
    """Apexes are rare: a row weighs by how wrong the network is about it (Lin et al. 2017,
    DOI 10.1109/ICCV.2017.324)."""
    likely, times, near, others, known = (
        torch.from_numpy(getattr(views, name)[chosen])
        for name in ("likely", "times", "near", "others", "known")
    )
    logit, counts = out[..., 0], known.sum().clamp(min=1)
    weight = known * ((likely - logit.detach().sigmoid()).abs() + 0.05)
    apex = 10 * (F.binary_cross_entropy_with_logits(logit, likely, reduction="none") * weight).sum() / counts
    apart = F.smooth_l1_loss(out[..., 1:4], times, beta=0.3, reduction="none").mean(dim=-1)
    near = near * known
    delimited = (apart * near).sum() / near.sum().clamp(min=1)
    going_on = F.binary_cross_entropy_with_logits(out[..., 4:], others, reduction="none").mean(dim=-1)
    return apex + config.times * delimited + config.others * (going_on * known).sum() / counts


def export(panel: Panel, about: dict[str, str], path: Path) -> None:
    """Writes the network that ``spotting.apexes.detector`` reads, its weights in order as one more output;
    AtmeError where ``path`` is not writable."""
    state = panel.state
    with completed(path) as draft:
        examples = {"row": torch.zeros(1, CHANNELS), "state": state}
        graph = traced(panel, examples, ["said", "after", "weights"], draft, samples=False, folded=False)
        shape = " ".join(str(size) for size in state.shape)
        save(graph, {VERSION_KEY: VERSION, STATE_KEY: shape, **about}, draft)


def export_again(path: Path) -> None:
    """Brings a file that an earlier version wrote to the form of this one; all that is known of it stays."""
    about = {one.key: one.value for one in onnx.load(str(path)).metadata_props}
    kept = {key: value for key, value in about.items() if key not in (VERSION_KEY, STATE_KEY, SEAL)}
    export(Panel.read(path), kept, path)
