"""Trains the spotter's classifier on the movements of simulated and rendered clips: ``atme-train spot-fit``.

A few small convolutional networks over the course of a movement, averaged; each sees the movement and its
mirror image. They are trained only on clips with scripted ground truth, never on recordings of people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognizer.errors import AtmeError
from spotting.classifier import BEFORE_S, CHANNELS, COURSE_S, EVIDENCE, EVIDENCE_KEY, FACTS, KINDS
from spotting.face.places import REGIONS, SIDES, mirrored_sides
from training.learning.export import completed, members, save, traced
from training.spotting.classifier.snapshots import Snapshots

MIXTURES = 3
"""How many times each clip is used with another clip's movements added to it."""
_TIME_UNIT = 10.0
"""The networks give times in tenths of a second: about 1 in size."""
_SKIN = 2 * len(SIDES)
_CUES = (slice(_SKIN + 2, _SKIN + 6), -4, -3)
"""Channels of the places come first; those of the head, the lids and the light."""
_BEFORE = FACTS - len(BEFORE_S) * len(REGIONS)
"""The first of the facts on what the regions did before."""
_KNOTS = 12
"""Of a drift, in one course."""
_NEAR = 0.3
"""Tenths of a second within which an error of the times counts by its square."""
_CLAMP = 6.0
"""Standard deviations; values further out did not occur in training."""


@dataclass(frozen=True)
class FitConfig:
    """One training run. The same configuration and clips give the same weights on one machine type."""

    seed: int = 0
    members: int = 4
    epochs: int = 8
    batch: int = 256
    width: int = 32
    dropout: float = 0.3
    learning_rate: float = 2e-3
    decay: float = 1e-3
    times: float = 0.3
    """Weight of the loss of onset, apex and offset."""
    times_epochs: int = 20
    times_rate: float = 5e-3
    """Of the last layer's times, which are fitted once more by themselves."""
    noise: float = 0.15
    """Noise on the course, in its standard deviations."""
    drift: float = 0.3
    """The most of a slow one on the places."""
    hidden: float = 0.2
    """Share of the movements trained without their head, lids or light: no cue may decide alone."""
    gain: float = 0.5
    """Log standard deviation of how far each place moves: rendered faces are few, and skin and landmarks lie
    differently in others."""
    turn: float = 0.3
    """Standard deviation of the way in which it moves, in radians."""
    lost: float = 0.1
    """Share of the places that do not move at all."""
    facts_noise: float = 0.3
    """Noise on the facts, in their standard deviations."""
    forgotten: float = 0.3
    """Share of the movements trained without what the regions did before."""


class Member(nn.Module):
    """course (N, T, CHANNELS) and facts (N, FACTS), standardised → (N, kinds + 3)."""

    def __init__(self, config: FitConfig, scale: Scale) -> None:
        super().__init__()
        width = config.width
        self.scale = scale
        self.course = nn.Sequential(
            nn.Conv1d(CHANNELS, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=2, stride=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.facts = nn.Sequential(nn.Linear(FACTS, 24), nn.ReLU())
        quarter = -(-len(COURSE_S) // 4)
        self.end = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(quarter * width + 24, 64),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(64, len(KINDS) + 3),
        )

    def forward(self, course: Tensor, facts: Tensor) -> Tensor:
        result: Tensor = self.end[-1](self.read(course, facts))
        return result

    def read(self, course: Tensor, facts: Tensor) -> Tensor:
        """(N, 64): what the last layer sees."""
        seen = self.course(course.transpose(1, 2))
        read: Tensor = self.end[:-1](torch.cat([seen, self.facts(facts)], dim=1))
        return read


class Panel(nn.Module):
    """The members' mean over a movement and its mirror image: course, facts → chances, times (seconds)."""

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @classmethod
    def read(cls, file: Path) -> Panel:
        """What ``export`` wrote."""
        read = []
        for state in members(file):
            member = Member(FitConfig(width=len(state["course.0.weight"])), Scale())
            member.load_state_dict(state)
            read.append(member)
        return cls(read).eval()

    def forward(self, course: Tensor, facts: Tensor) -> tuple[Tensor, Tensor]:
        chances, times = [], []
        for view in (course, mirrored(course)):
            for member in self.members:
                assert isinstance(member, Member)
                out = member(member.scale.course(view), member.scale.facts(facts))
                chances.append(out[:, : len(KINDS)].softmax(dim=1))
                times.append(out[:, len(KINDS) :])
        return torch.stack(chances).mean(dim=0), torch.stack(times).mean(dim=0) / _TIME_UNIT


class Scale(nn.Module):
    """Standardises evidence as in training."""

    course_mean: Tensor
    course_scale: Tensor
    facts_mean: Tensor
    facts_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, size in (("course", CHANNELS), ("facts", FACTS)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    @classmethod
    def of(cls, data: Snapshots) -> Scale:
        """With means and deviations of the data and its mirror image."""
        scale = cls()
        both = torch.cat([torch.from_numpy(data.course), mirrored(torch.from_numpy(data.course))])
        scale.course_mean, scale.course_scale = both.mean(dim=(0, 1)), both.std(dim=(0, 1)) + 1e-3
        facts = torch.from_numpy(data.facts)
        scale.facts_mean, scale.facts_scale = facts.mean(dim=0), facts.std(dim=0) + 1e-3
        return scale

    def course(self, course: Tensor) -> Tensor:
        """(…, CHANNELS)."""
        scaled: Tensor = (course - self.course_mean) / self.course_scale
        return scaled.clamp(-_CLAMP, _CLAMP)

    def facts(self, facts: Tensor) -> Tensor:
        """(N, FACTS)."""
        scaled: Tensor = (facts - self.facts_mean) / self.facts_scale
        return scaled.clamp(-_CLAMP, _CLAMP)


def mirrored(course: Tensor) -> Tensor:
    """The same movement in the face's mirror image."""
    order, sign = mirrored_sides()
    rest = torch.arange(_SKIN, CHANNELS)
    sides_order = torch.cat([torch.from_numpy(order), rest])
    signs = torch.ones(CHANNELS)
    signs[:_SKIN] = torch.from_numpy(sign)
    signs[[_SKIN, _SKIN + 2, _SKIN + 4]] = -1.0  # the median's and the head's way to the right, its roll
    return course[..., sides_order] * signs


def fit(data: Snapshots, config: FitConfig, progress: Callable[[int, int], None]) -> Panel:
    """The panel trained on ``data``; ``progress``: called with (steps done, of how many).

    AtmeError where there is too little to learn from.
    """
    rounds = 2 * len(data.kind) // config.batch
    if rounds == 0 or len(set(data.kind.tolist())) < len(KINDS):
        raise AtmeError(
            "too-little",
            f"{len(data.kind)} movements of {len(set(data.kind.tolist()))} kinds are too few to learn "
            f"{len(KINDS)} kinds from; render more minutes with atme-train spot-benchmark",
        )
    torch.set_num_threads(1)  # sums in another order would give other weights
    scale, trained, done = Scale.of(data), list[Member](), 0
    shown = _shown(data, scale)
    for number in range(config.members):
        torch.manual_seed(1000 * config.seed + number)
        member = Member(config, scale)
        for _ in _train(member, shown, config, number):
            done += 1
            progress(done, config.members * config.epochs * rounds)
        trained.append(member.eval())
        _learn_times(member, shown, config)
    return Panel(trained).eval()


@dataclass(frozen=True)
class _Shown:
    """The members' inputs: standardised movements, and then their mirror images."""

    course: Tensor
    facts: Tensor
    kind: Tensor
    times: Tensor
    """Onset, apex and offset, in tenths of a second."""


def _shown(data: Snapshots, scale: Scale) -> _Shown:
    plain = torch.from_numpy(data.course)
    return _Shown(
        scale.course(torch.cat([plain, mirrored(plain)])),
        scale.facts(torch.from_numpy(data.facts)).repeat(2, 1),
        torch.from_numpy(data.kind).repeat(2),
        _TIME_UNIT * torch.from_numpy(data.times).repeat(2, 1),
    )


def _train(member: Member, shown: _Shown, config: FitConfig, number: int) -> Iterator[None]:
    """Trains one member, a step at a time."""
    draw = np.random.default_rng((config.seed, number))
    optimizer = torch.optim.AdamW(
        member.parameters(), config.learning_rate, weight_decay=config.decay, foreach=True
    )
    rounds = len(shown.kind) // config.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * rounds
    )
    for _ in range(config.epochs):
        order = torch.from_numpy(draw.permutation(len(shown.kind)))
        for chosen in torch.split(order[: rounds * config.batch], config.batch):
            course = _disturbed(shown.course[chosen], member.scale, config)
            facts = _blurred(shown.facts[chosen], config)
            out, kind = member(course, facts), shown.kind[chosen]
            loss = F.cross_entropy(out[:, : len(KINDS)], kind)
            micro = kind == 0
            if micro.any():
                true = shown.times[chosen][micro]
                apart = F.smooth_l1_loss(out[micro, len(KINDS) :], true, beta=_NEAR)
                loss = loss + config.times * apart
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            yield


def _learn_times(member: Member, shown: _Shown, config: FitConfig) -> None:
    """Fits the last layer's times alone, to movements as they are: disturbed ones teach it to be vague."""
    micro = torch.nonzero(shown.kind == 0)[:, 0]
    with torch.no_grad():
        parts = [member.read(shown.course[some], shown.facts[some]) for some in torch.split(micro, 4096)]
    read, true = torch.cat(parts), shown.times[micro]
    last, kinds = member.end[-1], len(KINDS)
    assert isinstance(last, nn.Linear)
    weight, bias = (part[kinds:].detach().clone().requires_grad_() for part in (last.weight, last.bias))
    optimizer = torch.optim.AdamW([weight, bias], config.times_rate, weight_decay=config.decay)
    for epoch in range(config.times_epochs):
        optimizer.param_groups[0]["lr"] = config.times_rate * (1 - epoch / config.times_epochs)
        for some in torch.split(torch.randperm(len(micro)), config.batch):
            loss = F.smooth_l1_loss(F.linear(read[some], weight, bias), true[some], beta=_NEAR)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        last.weight[kinds:], last.bias[kinds:] = weight, bias


def _disturbed(course: Tensor, scale: Scale, config: FitConfig) -> Tensor:
    """Standardised courses as if of other faces, with noise, some of them without one of the cues."""
    skin = of_other_faces(course[..., :_SKIN], scale, config)
    course = torch.cat([skin, course[..., _SKIN:]], dim=-1)
    course = course + config.noise * torch.randn_like(course)
    for cue in _CUES:
        course[torch.rand(len(course)) < config.hidden, :, cue] = 0.0
    return course


def of_other_faces(skin: Tensor, scale: Scale, config: FitConfig) -> Tensor:
    """(N, T, _SKIN) of which each place moves further or less far, another way, or not at all, and drifts."""
    count, steps = skin.shape[:2]
    mean, spread = scale.course_mean[:_SKIN], scale.course_scale[:_SKIN]
    right, down = (skin * spread + mean).reshape(count, steps, -1, 2).unbind(dim=-1)
    one = (count, 1, len(SIDES))
    angle = config.turn * torch.randn(one)
    gain = torch.exp(config.gain * torch.randn(one)) * (torch.rand(one) >= config.lost)
    cos, sin = gain * angle.cos(), gain * angle.sin()
    moved = torch.stack([cos * right - sin * down, sin * right + cos * down], dim=-1)
    knots = config.drift * torch.rand(count, 1, 1) * torch.randn(count, _SKIN, _KNOTS)
    drift = F.interpolate(knots, size=steps, mode="linear", align_corners=True).transpose(1, 2)
    return (moved.reshape(skin.shape) - mean) / spread + drift


def _blurred(facts: Tensor, config: FitConfig) -> Tensor:
    """Standardised facts with noise, some of them without what was before."""
    facts = facts + config.facts_noise * torch.randn_like(facts)
    facts[torch.rand(len(facts)) < config.forgotten, _BEFORE:] = 0.0
    return facts


def export(panel: Panel, about: dict[str, str], path: Path) -> None:
    """Writes the classifier that ``spotting.classifier`` reads; AtmeError where ``path`` is not writable."""
    examples = {"course": torch.zeros(2, len(COURSE_S), CHANNELS), "facts": torch.zeros(2, FACTS)}
    with completed(path) as draft:
        graph = traced(panel.eval(), examples, ["chances", "times"], draft)
        save(graph, {EVIDENCE_KEY: EVIDENCE, **about}, draft)
