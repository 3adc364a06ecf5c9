"""A random face and everything that moves on it: what a synthetic sample shows, before any flow is computed.

Action units of one emotion move the face (the bumps of ``recognizer.action_units``), and everything else that
a pair of frames shows is added: blinks, gaze, other weak units, residual head motion, a background that does
not move along, blobs of wrong flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recognizer.action_units import ACTION_UNITS, MIRROR
from recognizer.recognition import CLASSES
from training.synthesis.emotions import RECIPES, SPEECH, Recipe

MOST_BUMPS = 24
"""Bumps of action units drawn on each face; the weakest are left out."""

HEAD_ALONE = 0.3
"""As ``SynthesisConfig.head``, for samples without an emotion."""

NON_EVENT = -1
"""Label of a sample that shows no emotion: blink, gaze, speech, head motion, noise or nothing."""

UNITS = tuple(ACTION_UNITS)
_COLUMN = {number: column for column, number in enumerate(UNITS)}
_CENTRAL = [_COLUMN[n] for n, unit in ACTION_UNITS.items() if unit.bumps[0].central]
ONE_SIDE = 0.5
"""A side that moves by less than this fraction of the other is not coded."""
PIXEL = 1 / 256
"""One pixel of a face 256 px wide, in face widths."""


@dataclass(frozen=True)
class SynthesisConfig:
    """How the samples are distributed. Amplitudes are in pixels of a face 256 px wide."""

    prior: tuple[float, float, float] = (0.56, 0.25, 0.19)
    """Share of negative, positive, surprise among the events: those of MEGC2019 (method §7)."""
    non_events: float = 0.2
    """Share of samples without any emotion."""
    published: float = 0.5
    """Share of samples in the published lists' geometry."""
    motion: tuple[float, float] = (0.7, 4.0)
    """Peak motion of the strongest unit, log-uniform between these."""
    head: float = 0.15
    """Standard deviation of residual head motion, at the rim of the face: at this value affine motion and
    turning explain as much of the flow as in real samples (``benchmarks/real_flow_log.md``)."""
    jitter: float = 0.05
    """Standard deviation of the crop's edges, in face widths: annotators and detectors disagree."""
    noise: float = 0.08
    """Typical standard deviation of the flow's noise."""
    grain: tuple[float, float] = (1.0, 5.0)
    """Size of the noise's grains, standard deviation in cells, log-uniform between these."""
    patchy: float = 0.5
    """Share of the fields smoothed by total variation; the others by a Gaussian."""
    fidelity: tuple[float, float] = (1.0, 12.0)
    """How closely total variation follows the measured flow, log-uniform between these."""


@dataclass(frozen=True)
class Bumps:
    """Gaussian bumps in face coordinates, all (N, K), in face widths; ``u``, ``v``: peak displacement."""

    x: Tensor
    y: Tensor
    rx: Tensor
    ry: Tensor
    u: Tensor
    v: Tensor


@dataclass(frozen=True)
class Scene:
    """Everything that moves on N faces."""

    bumps: Bumps
    contrast: Bumps
    """Where the face has texture; ``u`` is its strength, ``v`` unused."""
    rigid: Tensor
    """(N, 2, 3): u and v = rigid @ (1, x, y)."""
    turn: Tensor
    """(N, 2): how far the middle of the face moves relative to its rim when the head turns or nods."""
    background: Tensor
    """(N,): 1 where the image outside of the face stays still, 0 where it moves along."""
    rim: Tensor
    """(N, 2): half width and half height of the face's outline."""


@dataclass(frozen=True)
class Activations:
    """Which units are active on N faces."""

    label: Tensor
    """(N,) int64: index into ``CLASSES``, or ``NON_EVENT``."""
    sides: Tensor
    """(N, units, 2): peak displacement on the image's left and right, in face widths."""
    coded: Tensor
    """(N, units, 2) bool: the sides that a coder would code; never those of stray, weak units."""


def random_activations(n: int, generator: torch.Generator, config: SynthesisConfig) -> Activations:
    """Units by label, some on one side only, stray weak ones, and blinks."""
    low, high = config.motion
    strength = low * (high / low) ** torch.rand(n, generator=generator) * PIXEL
    label = _choose(torch.tensor(config.prior), n, generator)
    label[torch.rand(n, generator=generator) < config.non_events] = NON_EVENT

    active = torch.zeros(n, len(UNITS))
    for k, name in enumerate(CLASSES):
        active += _recipes(RECIPES[name], n, generator) * (label == k)[:, None]
    speaks = (label == NON_EVENT) & (torch.rand(n, generator=generator) < 0.35)
    active += _recipes(SPEECH, n, generator) * speaks[:, None]
    strong = torch.exp(0.35 * torch.randn(active.shape, generator=generator))
    # Other active units, too weak to be coded; alone they would be the event.
    stray = torch.rand(active.shape, generator=generator) < 0.04 * (label != NON_EVENT)[:, None]
    weak = stray * torch.empty(active.shape).uniform_(0.1, 0.45, generator=generator)
    level = active * strong + weak

    # Unequal sides: mostly a little, often one side only.
    balance = torch.exp(0.25 * torch.randn(n, len(UNITS), 2, generator=generator))
    alone = torch.rand(n, generator=generator) < 0.25
    side = (torch.rand(n, generator=generator) < 0.5).long()
    rest = torch.empty(n, 1).uniform_(0.0, 0.35, generator=generator)
    mute = F.one_hot(side, 2)[:, None] * alone[:, None, None]
    balance = torch.where(mute.bool(), balance * rest[..., None], balance)
    sides = level[..., None] * balance * strength[:, None, None]

    blink = torch.rand(n, generator=generator)
    lids = 0.3 * (3.5 / 0.3) ** torch.rand(n, generator=generator) * strength
    opens = torch.where(torch.rand(n, generator=generator) < 0.35, -0.7, 1.0)
    coded = active[..., None].bool() & (sides >= ONE_SIDE * sides.amax(dim=2, keepdim=True))
    sides[:, _COLUMN[45]] += ((blink < 0.5) * lids * opens)[:, None]
    coded[:, _COLUMN[45]] = ((blink < 0.5) & (lids >= 0.5 * strength))[:, None]
    coded[:, _CENTRAL] = coded[:, _CENTRAL].any(dim=2, keepdim=True)
    return Activations(label, sides, coded)


def _choose(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.multinomial(weights, n, replacement=True, generator=generator)


def _recipes(recipes: tuple[Recipe, ...], n: int, generator: torch.Generator) -> Tensor:
    """(n, units) of 0 and 1: one combination drawn for each sample."""
    table = torch.zeros(len(recipes), len(UNITS))
    for row, (_, units) in enumerate(recipes):
        table[row, [_COLUMN[unit] for unit in units]] = 1
    return table[_choose(torch.tensor([float(weight) for weight, _ in recipes]), n, generator)]


@dataclass(frozen=True)
class _BumpTable:
    """``ACTION_UNITS`` with both sides written out, one row per bump."""

    anchor: Tensor
    """(K, 68): each bump is placed at this weighted mean of the landmarks."""
    shift: Tensor
    pull: Tensor
    radius: Tensor
    unit: Tensor
    sides: Tensor
    """(K, 2): how much the left and the right activation drive it."""


def _bump_table() -> _BumpTable:
    rows = []
    for column, unit in enumerate(ACTION_UNITS.values()):
        for bump in unit.bumps:
            for side in (0,) if bump.central else (-1, 1):
                anchor = torch.zeros(68)
                for k in bump.anchor:
                    anchor[MIRROR[k] if side == 1 else k] += 1 / len(bump.anchor)
                out = side or 1
                driven = {-1: (1.0, 0.0), 0: (0.5, 0.5), 1: (0.0, 1.0)}[side]
                shift, pull = (out * bump.shift[0], bump.shift[1]), (out * bump.pull[0], bump.pull[1])
                rows.append((anchor, shift, pull, bump.radius, column, driven))
    anchors, shifts, pulls, radii, columns, sides = zip(*rows, strict=True)
    pack = torch.tensor
    return _BumpTable(
        torch.stack(anchors), pack(shifts), pack(pulls), pack(radii), pack(columns), pack(sides)
    )


_TABLE = _bump_table()


def action_bumps(faces: Tensor, sides: Tensor, generator: torch.Generator) -> Bumps:
    """The bumps of every unit on every face, their places, sizes and directions varied from face to face."""
    n, k = len(faces), len(_TABLE.unit)

    def spread(scale: float) -> Tensor:
        return scale * torch.randn(n, k, generator=generator)

    centre = torch.einsum("kl,nlc->nkc", _TABLE.anchor, faces) + _TABLE.shift
    radius = _TABLE.radius * torch.exp(0.2 * torch.randn(n, 1, 1, generator=generator))
    size = (sides[:, _TABLE.unit] * _TABLE.sides).sum(dim=-1) * torch.exp(spread(0.2))
    angle = spread(0.25)
    u, v = _TABLE.pull[:, 0], _TABLE.pull[:, 1]
    values = (
        centre[..., 0] + spread(0.015),
        centre[..., 1] + spread(0.015),
        radius[..., 0] * torch.exp(spread(0.2)),
        radius[..., 1] * torch.exp(spread(0.2)),
        size * (u * angle.cos() - v * angle.sin()),
        size * (u * angle.sin() + v * angle.cos()),
    )
    # Few units are active at a time: only the greatest bumps are drawn.
    greatest = size.abs().topk(MOST_BUMPS, dim=1).indices
    return Bumps(*(value.gather(1, greatest) for value in values))


def random_scene(
    faces: Tensor, activations: Activations, generator: torch.Generator, config: SynthesisConfig
) -> Scene:
    """Everything that moves: action units, gaze, local blobs of wrong flow, the head."""
    n = len(faces)
    blobs = 10
    eyes = torch.stack([faces[:, 36:42].mean(dim=1), faces[:, 42:48].mean(dim=1)], dim=1)
    looks = (torch.rand(n, 1, generator=generator) < 0.35) * 1.5 * PIXEL
    gaze = looks[..., None] * torch.randn(n, 1, 2, generator=generator)
    spots = torch.rand(n, blobs, 2, generator=generator) * torch.tensor((1.0, 1.3))
    spots = spots - torch.tensor((0.5, 0.4))
    size = 0.3 * PIXEL * torch.exp(0.7 * torch.randn(n, 1, 1, generator=generator))
    wrong = size * torch.randn(n, blobs, 2, generator=generator)
    reach = 0.025 * (0.14 / 0.025) ** torch.rand(n, blobs, 2, generator=generator)
    tight = torch.full((n, 2), 0.03)
    units = action_bumps(faces, activations.sides, generator)
    bumps = Bumps(
        torch.cat([units.x, eyes[..., 0], spots[..., 0]], dim=1),
        torch.cat([units.y, eyes[..., 1], spots[..., 1]], dim=1),
        torch.cat([units.rx, tight, reach[..., 0]], dim=1),
        torch.cat([units.ry, 0.7 * tight, reach[..., 1]], dim=1),
        torch.cat([units.u, gaze[..., 0].expand(n, 2), wrong[..., 0]], dim=1),
        torch.cat([units.v, 0.4 * gaze[..., 1].expand(n, 2), wrong[..., 1]], dim=1),
    )
    head = torch.where(activations.label == NON_EVENT, HEAD_ALONE, config.head)[:, None, None]
    amount = head * PIXEL * torch.exp(0.7 * torch.randn(n, 1, 1, generator=generator))
    rigid = amount * torch.randn(n, 2, 3, generator=generator)
    turn = 0.6 * amount[..., 0] * torch.randn(n, 2, generator=generator)
    background = (torch.rand(n, generator=generator) < 0.5).float()
    rim = torch.tensor((0.52, 0.80)) * torch.exp(0.06 * torch.randn(n, 2, generator=generator))
    return Scene(bumps, face_contrast(faces, generator), rigid, turn, background, rim)


# Where a face has contrast: landmarks, (radius across, along), strength.
_CONTRAST: tuple[tuple[tuple[int, ...], tuple[float, float], float], ...] = (
    ((17, 19, 21, 22, 24, 26), (0.055, 0.025), 1.0),
    ((36, 39, 42, 45), (0.055, 0.03), 1.0),
    ((28,), (0.03, 0.08), 0.25),
    ((31, 33, 35), (0.03, 0.025), 0.7),
    ((48, 51, 54, 57), (0.05, 0.025), 0.8),
    ((2, 4, 6, 8, 10, 12, 14), (0.05, 0.06), 0.4),
)


def face_contrast(faces: Tensor, generator: torch.Generator) -> Bumps:
    """Brows, eyes, nostrils, lips, outline: the only places where flow can be measured."""
    index = [k for points, _, _ in _CONTRAST for k in points]
    radius = torch.tensor([r for points, r, _ in _CONTRAST for _ in points])
    strength = torch.tensor([s for points, _, s in _CONTRAST for _ in points])
    shape = (len(faces), len(index))
    strength = strength * torch.exp(0.5 * torch.randn(shape, generator=generator))
    x, y = faces[:, index, 0], faces[:, index, 1]
    rx, ry = radius[:, 0].expand(shape), radius[:, 1].expand(shape)
    return Bumps(x, y, rx, ry, strength, torch.zeros(shape))
