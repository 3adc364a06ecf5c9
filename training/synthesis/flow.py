"""Synthetic flow features, from which the default weights learn: thousands a second, without any image.

The moving face comes from ``synthesis.random_motion``. Its field is drawn (Gaussian bumps are separable on a
level face, so that a whole batch is one matrix product), degraded as by TV-L1 (motion is measured where the
face has contrast and filled in elsewhere, with noise) and turned into features.

Two kinds of features are mixed, because both exist: this project's own (crop φ1–φ15; flow *between*
puzzle images, so that each region's motion is magnified with the region) and the published lists' (a narrower
crop with the brows nearer the top edge; the puzzle cut from the finished 28×28 feature at fixed places).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.features.archive import FeatureArchive
from training.synthesis.face_shape import CANONICAL, random_faces
from training.synthesis.random_motion import (
    PIXEL,
    Activations,
    Bumps,
    Scene,
    SynthesisConfig,
    random_activations,
    random_scene,
)

SIZE = 28
GRID = 56
"""Cells along each side of the fields, before they shrink to ``SIZE``."""
HEAD_SHARE = 0.5
"""Fraction of the strongest unit's peak: a head that moves by more counts as moving."""


@dataclass(frozen=True)
class Samples:
    """Synthetic features with their labels."""

    entire: Tensor
    """(N, 3, 28, 28) float32, whole numbers 0–255: u, v, |ε|, each channel min–max normalised."""
    puzzled: Tensor
    label: Tensor
    """(N,) int64: index into ``CLASSES``, or ``NON_EVENT``."""
    units: Tensor
    """(N, units, 2) bool, in the order of ``recognizer.units.UNITS``: active on the person's left, right."""


@dataclass(frozen=True)
class Window:
    """A rectangle of each face, divided into cells; edges (N,), in face widths."""

    left: Tensor
    right: Tensor
    top: Tensor
    bottom: Tensor
    columns: int
    rows: int


def synthesize(n: int, generator: torch.Generator, config: SynthesisConfig | None = None) -> Samples:
    """``n`` samples; the same state of the generator gives the same samples."""
    config = config or SynthesisConfig()
    published = torch.rand(n, generator=generator) < config.published
    faces = random_faces(n, generator)
    activations = random_activations(n, generator, config)
    scene = random_scene(faces, activations, generator, config)

    noise = config.noise * PIXEL * torch.exp(0.8 * torch.randn(n, generator=generator))
    crop = random_crop(faces, published, config.jitter, generator)
    flow = observe(*render(scene, crop), noise / (crop.right - crop.left) * GRID, generator, config)
    entire = to_feature(flow, strain(flow))
    puzzled = published_puzzle(entire, generator)
    own = ~published
    if own.any():
        puzzled[own] = project_puzzle(_pick(scene, own), faces[own], noise[own], generator, config)
    head = head_moves(scene, activations)[:, None, None].expand(n, 1, 2)
    # The image's left is the person's right.
    units = torch.cat([activations.coded.flip(2), head], dim=1)
    return Samples(entire.round(), puzzled.round(), activations.label, units)


def head_moves(scene: Scene, activations: Activations) -> Tensor:
    """(N,) bool: the head's mean motion over the face is a good part of the strongest unit's peak."""
    x, y = (CANONICAL[:, k] - (0.0, 0.3)[k] for k in (0, 1))
    depth = (1 - (x / 0.52).square() - (y / 0.80).square()).clamp(min=0)
    one, a, b = (scene.rigid[:, :, k, None] for k in range(3))
    moved = one + a * 2 * x + b * 2 * y + scene.turn[..., None] * depth
    mean = moved.square().sum(dim=1).mean(dim=1).sqrt()
    return mean > HEAD_SHARE * activations.sides.abs().amax(dim=(1, 2)).clamp(min=PIXEL * 0.3)


def _pick(scene: Scene, which: Tensor) -> Scene:
    """The selected faces' part of the scenes."""

    def pick(value: Tensor | Bumps) -> Tensor | Bumps:
        if isinstance(value, Bumps):
            return Bumps(*(getattr(value, f.name)[which] for f in fields(value)))
        return value[which]

    return Scene(*(pick(getattr(scene, f.name)) for f in fields(scene)))  # type: ignore[arg-type]


# --------------------------------------------------------------------------- from motion to flow


def random_crop(faces: Tensor, published: Tensor, loose: float, generator: torch.Generator) -> Window:
    """The face's rectangle: the paper's (method §2) or the published lists' narrower one, with jitter."""

    def jitter() -> Tensor:
        return loose * torch.randn(len(faces), generator=generator)

    x, y = faces[..., 0], faces[..., 1]
    lift = ((y[:, 38] - y[:, 20]) + (y[:, 43] - y[:, 23])) / 2
    left = torch.where(published, x[:, 17] - 0.01, x[:, 1]) + jitter()
    right = torch.where(published, x[:, 26] + 0.01, x[:, 15]) + jitter()
    top = y[:, 19] - torch.where(published, 0.9, 1.0) * lift + jitter()
    bottom = y[:, 8] + torch.where(published, 0.05, 0.0) + jitter()
    return Window(left, right, top, bottom, GRID, GRID)


def render(scene: Scene, window: Window) -> tuple[Tensor, Tensor]:
    """Flow (N, 2, rows, columns) in cells of the window, and the contrast (N, rows, columns) there."""
    xs = _centres(window.left, window.right, window.columns)
    ys = _centres(window.top, window.bottom, window.rows)
    flow = torch.stack(_draw(scene.bumps, xs, ys), dim=1)

    x, y = xs[:, None, :], ys[:, :, None] - 0.3
    rim_x, rim_y = scene.rim[:, 0, None, None], scene.rim[:, 1, None, None]
    radius = (x / rim_x).square() + (y / rim_y).square()
    depth = (1 - radius).clamp(min=0)
    inside = torch.sigmoid((1 - radius) * 12)
    one, a, b = (scene.rigid[:, :, k, None, None] for k in range(3))
    head = one + a * (2 * x[:, None]) + b * (2 * y[:, None]) + scene.turn[..., None, None] * depth[:, None]
    still = scene.background[:, None, None] * (1 - inside)
    flow = flow + head * (1 - still[:, None])

    scale = torch.stack(
        [window.columns / (window.right - window.left), window.rows / (window.bottom - window.top)], dim=1
    )
    contrast, _ = _draw(scene.contrast, xs, ys)
    return flow * scale[..., None, None], contrast


def _centres(low: Tensor, high: Tensor, cells: int) -> Tensor:
    steps = (torch.arange(cells) + 0.5) / cells
    return low[:, None] + (high - low)[:, None] * steps


def _draw(bumps: Bumps, xs: Tensor, ys: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the bumps' u and v at every (y, x): (N, rows, columns) each."""
    across = _gaussian((xs[:, None] - bumps.x[..., None]) / bumps.rx[..., None])
    along = _gaussian((ys[:, None] - bumps.y[..., None]) / bumps.ry[..., None])
    down = along.transpose(1, 2)
    return down @ (across * bumps.u[..., None]), down @ (across * bumps.v[..., None])


def _gaussian(x: Tensor) -> Tensor:
    # The clamp keeps denormal numbers away, which are a hundred times slower.
    return torch.exp((-0.5 * x.square()).clamp(min=-30))


def observe(
    flow: Tensor, contrast: Tensor, noise: Tensor, generator: torch.Generator, config: SynthesisConfig
) -> Tensor:
    """Imitates TV-L1: noise is added, then each place takes a mean over its surroundings.

    ``noise``: (N,) standard deviation in cells. Contrast weighs the mean, so flow spreads from brows, eyes
    and lips over smooth skin.
    """
    n = len(flow)
    grain = _blur(torch.randn(flow.shape, generator=generator), _widths(n, *config.grain, generator))
    grain = grain / grain.std(dim=(2, 3), keepdim=True)
    floor = torch.empty(n, 1, 1).uniform_(0.1, 0.6, generator=generator)
    weight = (floor + contrast)[:, None]
    noisy = flow + noise[:, None, None, None] * grain / weight.sqrt()
    width = _widths(n, 0.6, 3.0, generator)
    smooth = _blur(noisy * weight, width) / _blur(weight, width)
    fidelity = _widths(n, *config.fidelity, generator)[:, None, None, None] * weight
    patchy = torch.rand(n, generator=generator) < config.patchy
    if patchy.any():
        smooth[patchy] = total_variation(noisy[patchy], fidelity[patchy])
    return smooth


def total_variation(noisy: Tensor, fidelity: Tensor, iterations: int = 12) -> Tensor:
    """Minimises |∇f| + fidelity/2 · (f − noisy)² per channel (ROF; Chambolle & Pock 2011): flow in patches.

    ``noisy``: (N, 2, H, W), each channel in units of its own standard deviation; ``fidelity``: (N, 1, H, W).
    """
    scale = noisy.std(dim=(2, 3), keepdim=True) + 1e-9
    given = noisy / scale
    field = ahead = given
    px, py = torch.zeros_like(given), torch.zeros_like(given)
    step = 0.35
    for _ in range(iterations):
        px = px + step * F.pad(ahead[..., 1:] - ahead[..., :-1], (0, 1))
        py = py + step * F.pad(ahead[..., 1:, :] - ahead[..., :-1, :], (0, 0, 0, 1))
        norm = (px.square() + py.square()).sqrt().clamp(min=1)
        px, py = px / norm, py / norm
        spread = px - F.pad(px[..., :-1], (1, 0)) + py - F.pad(py[..., :-1, :], (0, 0, 1, 0))
        before = field
        field = (field + step * spread + step * fidelity * given) / (1 + step * fidelity)
        ahead = 2 * field - before
    return field * scale


def _widths(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low * (high / low) ** torch.rand(n, generator=generator)


def _blur(x: Tensor, width: Tensor) -> Tensor:
    """Gaussian blur of (N, C, H, W) with each sample's own standard deviation (N,), in cells."""
    down, across = (_blur_matrix(side, width)[:, None] for side in x.shape[2:])
    return down @ x @ across.transpose(2, 3)


def _blur_matrix(side: int, width: Tensor) -> Tensor:
    gaps = torch.arange(side)[:, None] - torch.arange(side)
    kernel = _gaussian(gaps / width[:, None, None])
    return kernel / kernel.sum(dim=2, keepdim=True)


# --------------------------------------------------------------------------- from flow to features


def strain(flow: Tensor) -> Tensor:
    """Magnitude of the strain tensor, (N, 2, H, W) → (N, H, W), as ``recognizer.flow.engine.strain``."""
    du_dy, du_dx = torch.gradient(flow[:, 0], dim=(1, 2))
    dv_dy, dv_dx = torch.gradient(flow[:, 1], dim=(1, 2))
    shear = (du_dy + dv_dx) / 2
    return (du_dx.square() + dv_dy.square() + 2 * shear.square()).sqrt()


def to_feature(flow: Tensor, tension: Tensor) -> Tensor:
    """Flow (N, 2, H, W) and strain (N, H, W) → (N, 3, 28, 28), 0–255, as ``recognizer.feature`` does."""
    small = F.adaptive_avg_pool2d(torch.cat([flow, tension[:, None]], dim=1), SIZE)
    low, high = small.amin(dim=(2, 3), keepdim=True), small.amax(dim=(2, 3), keepdim=True)
    return ((small - low) * 255 / (high - low).clamp(min=1e-9)).round()


def project_puzzle(
    scene: Scene, faces: Tensor, noise: Tensor, generator: torch.Generator, config: SynthesisConfig
) -> Tensor:
    """The puzzle as this project makes it: flow between puzzle images (method §3)."""
    boxes = [_brow(faces, 19, 37, 17, 21), _brow(faces, 24, 44, 22, 26), _mouth(faces)]
    loose = torch.exp(0.04 * torch.randn(len(faces), generator=generator))
    # Sensor noise is the same in every image: enlarging a region magnifies its motion, not the noise.
    flows = [observe(*render(scene, _grow(box, loose)), noise * GRID, generator, config) for box in boxes]
    # Skin is not continuous across the seams: strain is computed region by region.
    fields = [torch.cat([flow, strain(flow)[:, None]], dim=1) for flow in flows]
    whole = torch.cat([torch.cat(fields[:2], dim=3), fields[2]], dim=2)
    return to_feature(whole[:, :2], whole[:, 2])


def _brow(faces: Tensor, row: int, lid: int, first: int, last: int) -> Window:
    x, y = faces[..., 0], faces[..., 1]
    height, width = y[:, lid] - y[:, row], x[:, last] - x[:, first]
    return Window(
        x[:, first] - width / 4,
        x[:, last] + width / 4,
        y[:, row] - height / 4,
        y[:, lid] - height / 4,
        GRID // 2,
        GRID // 2,
    )


def _mouth(faces: Tensor) -> Window:
    x, y = faces[..., 0], faces[..., 1]
    height, width = y[:, 51] - y[:, 33], x[:, 54] - x[:, 48]
    return Window(
        x[:, 48] - width / 4,
        x[:, 54] + width / 4,
        y[:, 51] - height / 2,
        y[:, 57] + height / 2,
        GRID,
        GRID // 2,
    )


def _grow(box: Window, factor: Tensor) -> Window:
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    width, height = (box.right - box.left) * factor / 2, (box.bottom - box.top) * factor / 2
    return replace(box, left=x - width, right=x + width, top=y - height, bottom=y + height)


# Rows and columns of the 28×28 feature, (first, one past the last): where the published lists cut.
_CUTS = (((0, 9), (1, 13)), ((0, 9), (15, 27)), ((17, 28), (5, 23)))


def published_puzzle(entire: Tensor, generator: torch.Generator) -> Tensor:
    """The published lists' puzzle: fixed pieces of the finished feature, resized."""
    n = len(entire)
    pieces = []
    for (top, bottom), (left, right) in _CUTS:
        down, across = (0.6 * torch.randn(n, generator=generator) for _ in range(2))
        height, width = SIZE // 2, SIZE if top else SIZE // 2
        rows = _resampling(top + down, bottom + down, height)
        columns = _resampling(left + across, right + across, width)
        pieces.append(rows[:, None] @ entire @ columns[:, None].transpose(2, 3))
    return torch.cat([torch.cat(pieces[:2], dim=3), pieces[2]], dim=2)


def _resampling(first: Tensor, last: Tensor, cells: int) -> Tensor:
    """(N, cells, 28) matrices that read ``cells`` values between two edges, bilinearly, edges repeated."""
    places = (_centres(first, last, cells) - 0.5).clamp(0, SIZE - 1)
    return (1 - (places[..., None] - torch.arange(SIZE)).abs()).clamp(min=0)


# --------------------------------------------------------------------------- many at once


def synthetic_archive(n: int, seed: int, config: SynthesisConfig) -> FeatureArchive:
    """``n`` events as a feature archive: 30 made-up subjects, database ``synthetic``."""
    generator = torch.Generator().manual_seed(seed)
    parts = [synthesize(min(250, n - done), generator, config) for done in range(0, n, 250)]
    return FeatureArchive(
        entire=torch.cat([part.entire for part in parts]).to(torch.uint8).numpy(),
        puzzled=torch.cat([part.puzzled for part in parts]).to(torch.uint8).numpy(),
        label=torch.cat([part.label for part in parts]).numpy(),
        subject=np.array([f"{k % 30 + 1:02d}" for k in range(n)]),
        database=np.full(n, "synthetic"),
        sample=np.array([f"{seed}_{k:05d}" for k in range(n)]),
    )
