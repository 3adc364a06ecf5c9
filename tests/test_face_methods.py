"""MMNet and KFC-MER, which look at faces: against their papers, in the mirror, and whether they learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_archive import tiny_archive, with_faces
from user_errors import raises

from training.features import archive as feature_archive
from training.features.archive import Faces, Pairs
from training.learning.engine import Recipe, TrainingSet
from training.loso.run import LosoConfig, run_loso
from training.models.face_components import COMPONENTS, MOTION_AND_COMPONENTS, MOTIONS, components
from training.models.inputs import ENTIRE, PICTURES, Input
from training.models.kfc_mer import Bottleneck, KfcMer, SplitAttention, Stream
from training.models.method import Fitting
from training.models.mmnet import ContinuousAttention, MmNet, PositionCalibration
from training.models.plain import Network
from training.models.registry import METHODS
from training.paper.comparison import compare

SIDE = 32
"""Networks of these tests: everything as in the methods, on pictures a quarter as wide."""


# --- each against its paper


def test_continuous_attention_hands_its_map_on():
    """A residual block that is dimmed by its own attention times that of the block before, shrunk."""
    torch.manual_seed(0)
    block = ContinuousAttention(8, 16, stride=2).eval()
    x = torch.randn(2, 8, 12, 12)
    maps, alone = block(x, None)
    assert maps.shape == (2, 16, 6, 6)
    assert alone.shape == (2, 1, 6, 6)
    dark = torch.ones(2, 1, 12, 12)
    dark[:, :, :6] = 0
    dimmed, together = block(x, dark)
    assert together[:, :, 4:].allclose(alone[:, :, 4:])
    assert together[:, :, :2].abs().max() == 0
    assert dimmed[:, :, :2].abs().max() == 0


def test_mmnet_reads_motion_in_one_branch_and_the_face_in_the_other():
    """Equal pictures: nothing moves, and the logits are those of the positions; these see the onset alone."""
    torch.manual_seed(0)
    network = MmNet(SIDE).eval()
    onset, apex = torch.rand(2, 3, 1, SIDE, SIDE)
    shapes = []
    maps, attention = network.stem(apex - onset), None
    for block in network.blocks:
        maps, attention = block(maps, attention)
        shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(128, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    brighter = torch.cat([onset + 0.1, apex + 0.1], dim=1)
    kept = network.positions
    network.positions = torch.nn.Identity()  # what is left is the main branch
    network.classifier = torch.nn.Identity()
    network.positions.forward = lambda onset: torch.zeros(len(onset), 512, 2, 2)
    assert network(brighter).allclose(network(torch.cat([onset, apex], dim=1)), atol=1e-3)
    assert not kept(onset).allclose(kept(onset + 0.1), atol=1e-3)


def test_position_calibration_is_a_transformer_of_three_layers():
    module = PositionCalibration(8)
    assert module(torch.zeros(2, 1, 128, 128)).shape == (2, 512, 8, 8)
    assert len(module.layers) == 3
    assert module.layers[0].self_attn.num_heads == 4
    assert module.layers[0].linear1.out_features == 1024


def test_split_attention_weighs_its_groups():
    """Weights of both groups sum to one, so that equal groups come out as they are."""
    torch.manual_seed(0)
    split = SplitAttention(16).eval()
    split.convolve = torch.nn.Sequential(torch.nn.Conv2d(16, 32, 1, groups=1, bias=False))
    with torch.no_grad():
        split.convolve[0].weight.copy_(torch.eye(16).repeat(2, 1)[..., None, None])
    x = torch.randn(2, 16, 5, 5)
    assert split(x).allclose(x, atol=1e-5)
    assert Bottleneck(64, 64)(torch.randn(2, 64, 8, 8)).shape == (2, 256, 8, 8)
    assert Bottleneck(256, 128, stride=2)(torch.randn(2, 256, 8, 8)).shape == (2, 512, 4, 4)


def test_components_guide_both_streams_of_kfc_mer():
    torch.manual_seed(0)
    stream = Stream().eval()
    motion, where = torch.randn(2, 3, SIDE, SIDE), torch.rand(2, COMPONENTS, SIDE, SIDE)
    assert stream(motion, where).shape == (2, 512, SIDE // 16, SIDE // 16)
    assert not stream(motion, where).allclose(stream(motion, 1 - where))
    network = KfcMer(SIDE).eval()
    x = torch.cat([torch.randn(2, MOTIONS, SIDE, SIDE), where], dim=1)
    for channel in (0, 5, MOTIONS):
        other = x.clone()
        other[:, channel] += torch.rand(2, SIDE, SIDE)
        assert not network(x).allclose(network(other)), channel


# --- what goes in


def mirrored_pair(pairs: Pairs) -> Pairs:
    """The same faces in a mirror."""
    assert pairs.faces is not None
    landmarks = pairs.faces.landmarks[:, feature_mirror()].copy()
    landmarks[..., 0] = pairs.faces.pictures.shape[-1] - 1 - landmarks[..., 0]
    flow = pairs.faces.flow[..., ::-1].copy()
    flow[:, 0] *= -1
    features = ENTIRE.mirrored(torch.from_numpy(pairs.entire)).numpy()
    return Pairs(features, features, Faces(pairs.faces.pictures[..., ::-1].copy(), landmarks, flow))


def feature_mirror() -> list[int]:
    from recognizer.action_units import MIRROR

    return list(MIRROR)


@pytest.mark.parametrize("one", [PICTURES, MOTION_AND_COMPONENTS])
def test_the_mirror_image_of_what_goes_in_is_that_of_the_mirrored_face(one: Input):
    pairs = with_faces(tiny_archive(2, 3)).pairs()
    there = one.mirrored(torch.from_numpy(one.of(pairs))).numpy().astype(int)
    apart = abs(there - one.of(mirrored_pair(pairs)).astype(int))
    assert apart[:, :MOTIONS].max() <= 1
    assert apart.mean(axis=(0, 2, 3)).max() < 1, "edges are drawn to whole pixels"
    assert apart.max() < 100


def test_components_lie_where_the_landmarks_are():
    landmarks = with_faces(tiny_archive(2, 1)).landmarks[0]
    maps = components(landmarks, (128, 128))
    assert len(maps) == COMPONENTS == 9
    skin, left_eye, right_eye, *_, left_brow, right_brow = maps
    for drawn, points in ((left_eye, range(36, 42)), (right_eye, range(42, 48)), (left_brow, (18, 19, 20))):
        column, row = landmarks[list(points)].mean(axis=0).round().astype(int)
        assert drawn[row, column] > 128
        assert skin[row + 12, column] > 250
    assert left_brow[:, :64].sum() > 10 * left_brow[:, 64:].sum()
    assert right_brow[:, 64:].sum() > 10 * right_brow[:, :64].sum()


# --- learning


def easy(samples: int, seed: int) -> tuple[Pairs, np.ndarray]:
    """Faces in which another place moves for every class: brows, one cheek, mouth."""
    rng = np.random.default_rng(seed)
    label = np.arange(samples) % 3
    texture = rng.integers(40, 200, (samples, SIDE, SIDE)).astype(np.uint8)
    pictures, flow = np.stack([texture, texture], axis=1), np.zeros((samples, 2, SIDE, SIDE), np.float16)
    for k, rows in enumerate((slice(4, 12), slice(12, 20), slice(20, 28))):
        chosen = np.flatnonzero(label == k)
        pictures[chosen, 1, rows, 8:24] = np.roll(pictures[chosen, 0, rows, 8:24], 1, axis=1)
        flow[chosen, 1, rows, 8:24] = 1
    flow += rng.normal(0, 0.05, flow.shape).astype(np.float16)
    landmarks = with_faces(tiny_archive(2, 1)).landmarks[:1] * (SIDE / 128)
    unused = np.zeros((samples, 3, 28, 28), np.uint8)
    faces = Faces(pictures, np.repeat(landmarks, samples, axis=0), flow)
    return Pairs(unused, unused, faces), label.astype(np.int64)


def small(name: str) -> Network:
    build = {"mmnet": MmNet, "kfc-mer": KfcMer}[name]
    method = METHODS[name]
    assert isinstance(method, Network)
    return replace(method, build=lambda: build(SIDE))


def learnt(name: str, epochs: int, seed: int = 0, rate: float = 3e-4) -> np.ndarray:
    """Probabilities of unseen samples."""
    torch.set_num_threads(1)
    pairs, label = easy(24, 0)
    item = TrainingSet(pairs.entire, pairs.puzzled, label, len(label), seed, {}, pairs.faces)
    recipe = Recipe(epochs=epochs, batch=6, learning_rate=rate)
    return small(name).learn(item, recipe, Fitting())(easy(12, 1)[0])


@pytest.mark.parametrize(("name", "epochs", "rate"), [("mmnet", 14, 3e-4), ("kfc-mer", 16, 1e-3)])
def test_it_learns_what_moves(name: str, epochs: int, rate: float):
    right = learnt(name, epochs, rate=rate).argmax(axis=1) == easy(12, 1)[1]
    assert right.mean() >= 0.75


@pytest.mark.parametrize("name", ["mmnet", "kfc-mer"])
def test_the_same_seed_gives_the_same_network(name: str):
    first = learnt(name, 1)
    torch.rand(7)  # the state of the global generator does not matter
    np.testing.assert_array_equal(first, learnt(name, 1))
    assert not np.array_equal(first, learnt(name, 1, seed=1))


# --- archives without faces


@pytest.mark.parametrize("name", ["mmnet", "kfc-mer"])
def test_an_archive_without_faces_is_one_line(name: str, tmp_path):
    feature_archive.save(tiny_archive(3), tmp_path / "f.npz")
    config = LosoConfig(tmp_path / "f.npz", tmp_path / "run", recipe=Recipe(epochs=1), model=name)
    for call in (
        lambda: run_loso(config),
        lambda: compare(tmp_path / "f.npz", tmp_path / "t", [name], (0,), Recipe(epochs=1), "local", 1),
    ):
        with raises("mismatch", tmp_path / "f.npz", METHODS[name].title, "--keep-faces"):
            call()
    assert not (tmp_path / "run").exists()
